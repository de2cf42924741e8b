"""Invariants 12, 13, 14 and 25: what counts as evidence, how often it may be asked for, and that it is of the same bytes."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evals_app.actions.runs import start_run
from evals_app.actions.suites import save_suite_version
from evals_app.engine.questions import ArmSource, questions_of
from evals_app.model_settings import ModelSettings
from evals_app.providers.talk import Question
from evals_app.scripted_provider import Rule
from evals_app.stats import may_post_check
from evals_app.suite_content import CaseSpec
from evals_app.verdicts import CaseScores, judge
from evals_app.verdicts import Rule as MetricRule
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.promotions import open_promotion
from prompts_app.content import load_content
from prompts_app.models import CheckDefinitionChange, CheckState, Deployment
from prompts_app.rendering import render_content
from registry.core.models import AuditEvent
from tests.api.client import Api
from tests.builders import Cast, make_cast, prompt, version
from tests.evals.building import add_provider, cases, require, scripted, work
from tests.evals.building import suite as evaluated
from tests.invariants.racing import side_by_side
from tests.scenes import codes, go_live, policy, post, suite


def test_check__that_is_anything_but_passed_on_fitting_evidence__never_counts(free: Cast) -> None:
    """12 and 13: every state, on the right and on wrong evidence, in every order of two."""
    policy(free, "staging", require_suites=True)
    made = prompt(free.ada, text="a")
    suite(free.ada, made)
    row = open_promotion(free.ada, made.versions.get(), free.environment("staging"))
    other = version(free.ada, made, "b")
    for first in CheckState:
        for second in CheckState:
            post(row.version, row.environment, first)
            post(other, row.environment, CheckState.PASSED)
            post(row.version, row.environment, CheckState.PASSED, recipe="f" * 64)
            post(row.version, row.environment, second)
            assert (codes(row, free.rosa) == set()) == (second == CheckState.PASSED)


@pytest.mark.parametrize("mode", ["non_inferior", "floor", "all_pass"])
def test_suite__with_no_case__is_an_error_in_every_mode(mode: Any) -> None:
    assert judge([], MetricRule("m", mode=mode, floor=0.0, first_floor=0.0)).verdict == "error"


def test_run__that_ends_in_error__blocks(free: Cast) -> None:
    """12, through the engine: a provider that is down is no pass."""
    policy(free, "staging", require_suites=True)
    with scripted(Rule(anywhere="", status=401)) as provider:
        add_provider(free, provider)
        made = prompt(free.ada, text="{{ q }}")
        what = evaluated(free.ada)
        require(free.ada, what, made)
        row = open_promotion(free.ada, made.versions.get(), free.environment("staging"))
        assert codes(row, free.rosa) == {"check.suite/numbers.missing"}
        run = start_run(free.ada, row.version, what, baseline=None)
        assert codes(row, free.rosa) == {"check.suite/numbers.pending"}
        work(run)
    assert codes(row, free.rosa) == {"check.suite/numbers.error"}


def test_running_again__as_often_as_is_allowed__never_raises_the_false_pass_bound() -> None:
    """14: a candidate that is exactly the margin worse passes in at most 5 % of all series of looks."""
    dice, series, cases, looks, margin = np.random.default_rng(14), 400, 60, 3, 0.10
    rule = MetricRule("passes", margin=margin, looks=looks, first_floor=0.5)
    passed = 0
    for _ in range(series):
        base_right = dice.random(cases) < 0.75
        # Where the baseline is right the candidate is wrong often enough to be worse by just the margin.
        rates = np.where(base_right, 1 - margin / 0.75, 0.0)
        new: list[tuple[float, ...]] = [()] * cases
        base: list[tuple[float, ...]] = [()] * cases
        for look in range(looks):
            assert may_post_check(look, looks)
            answers = (dice.random(cases) < rates).astype(float)
            new = [(*old, float(answer)) for old, answer in zip(new, answers, strict=True)]
            base = [(*old, float(right)) for old, right in zip(base, base_right, strict=True)]
            scores = [CaseScores(str(n), str(n), critical=False, new=new[n], base=base[n]) for n in range(cases)]
            if judge(scores, rule).verdict == "passed":
                passed += 1
                break
    assert passed / series <= 0.05 + 3 * (0.05 * 0.95 / series) ** 0.5
    assert not may_post_check(looks, looks), "then a run is stored and posts no check"


def test_running_again__with_copies_of_answers__is_no_more_evidence() -> None:
    """14: pooling within a case, copies change nothing but the smallest width there is."""
    scores = [
        CaseScores(str(n), str(n), critical=False, new=(float(n % 3 > 0),) * 2, base=(1.0,) * 2) for n in range(60)
    ]
    copied = [replace(one, new=one.new * 3, base=(one.base or ()) * 3) for one in scores]
    rule = MetricRule("passes", margin=0.1)
    once, thrice = judge(scores, rule), judge(copied, rule)
    assert once.lower is not None and thrice.lower is not None
    assert thrice.lower <= once.lower + 1e-12


VALUES: dict[str, Any] = {
    "name": "Ada <&> \u202e é",
    "items": ["a", "b"],
    "n": 3,
    "turns": [{"role": "user", "content": "hi"}],
}
VECTORS: list[tuple[str, dict[str, Any]]] = [
    ("text", {"text": "Hello {{ name }}\r\n\ttabs, trailing blanks   \n"}),
    ("text", {"text": "{% for i in items %}{{ loop.index }}:{{ i }};{% endfor %}{{ items | tojson }}"}),
    ("text", {"text": "{{name}} {% not jinja %} {{ n }}", "template_format": "plain"}),
    ("text", {"text": "no variables at all é 👩\u200d👩\u200d👧"}),
    (
        "chat",
        {"messages": [{"role": "system", "content": "You are {{ name }}."}, {"role": "user", "content": "{{ n }}"}]},
    ),
    ("chat", {"messages": [{"role": "user", "content": "a"}, {"type": "placeholder", "name": "turns"}]}),
    (
        "chat",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "{{ name }}"},
                        {"type": "image_url", "image_url": {"url": "https://x.example/{{ n }}"}},
                    ],
                }
            ]
        },
    ),
]


@pytest.mark.parametrize(("kind", "content"), VECTORS, ids=range(len(VECTORS)))
def test_rendered__for_an_evaluation_and_by_a_service__are_the_same_bytes(
    free: Cast, kind: str, content: dict[str, Any]
) -> None:
    """25: the engine's question, the render endpoint, the preview, and a client that renders what it fetched."""
    ada, service = Api(free.ada), Api(free.key("service", environment="staging"))
    assert ada.post("prompts", {"name": "p", "kind": kind}).status == 201
    assert ada.post("prompts/p/versions", content).status == 201
    from prompts_app.models import PromptVersion

    saved = PromptVersion.objects.select_related("prompt").get()
    go_live(free, saved, "staging")
    (question,) = questions_of(ArmSource(saved.load(), ModelSettings("scripted", "m")), [CaseSpec("case", VALUES)])
    assert isinstance(question, Question)
    asked = list(question.messages) if kind == "chat" else question.messages[0]["content"]
    field = "messages" if kind == "chat" else "text"
    rendered = service.post("environments/staging/prompts/p/render", {"variables": VALUES})
    preview = ada.post("preview", {"kind": kind, **content, "variables": VALUES})
    fetched = service.get("environments/staging/prompts/p").json
    names = ("text", "messages", "template_format", "variables", "config", "tools", "response_format", "includes")
    by_client = render_content(load_content(kind, {name: fetched[name] for name in names if name in fetched}), VALUES)
    texts = {
        json.dumps(one, sort_keys=True)
        for one in (asked, rendered.json[field], preview.json[field], by_client.to_json()[field])
    }
    assert len(texts) == 1, texts
    assert rendered.json["digest"] == fetched["digest"] == saved.digest


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", [True, False], ids=["it goes live first", "it is saved first"])
def test_suite__saved_while_something_goes_live__is_as_late_as_it_is_recorded(is_first: bool) -> None:
    """9: its editor is barred unless the deployment came after, and the times that decide are in the order of the records."""
    cast = make_cast(is_open=True)
    what = evaluated(cast.ada)
    row = open_promotion(cast.ada, prompt(cast.ada, text="a").versions.get(), cast.environment("staging"))
    calls = [
        lambda: apply_promotion(cast.rosa, row, stamp=row.stamp),
        lambda: save_suite_version(cast.ada, what, {"cases": cases(61), "scorers": [{"kind": "equals"}]}),
    ]
    one, other = side_by_side(*(calls if is_first else reversed(calls)))
    assert one.won and other.won
    deployment, change = Deployment.objects.latest("pk"), CheckDefinitionChange.objects.latest("pk")
    events = AuditEvent.objects.filter(workspace=cast.workspace)
    saved, moved = (events.filter(event=name).latest("sequence") for name in ("suite.saved", "version.promoted"))
    assert (change.at > deployment.created_at) == (saved.sequence > moved.sequence)
