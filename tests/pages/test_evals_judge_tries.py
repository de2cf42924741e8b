"""Scorers that ask a model, tried in a suite's editor: their judges are asked for real, within the day's budget."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from evals_app.actions.suites import create_suite, save_suite_version
from evals_app.models import Suite, Tryout
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.actions.versions import create_version
from prompts_app.models import Prompt
from registry.core.models import AuditEvent
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted
from tests.pages.conftest import SignedIn
from tests.pages.forms import Form, form_of

EDIT = "/w/acme/suites/intents/edit?as=json"
GRADED: list[dict[str, Any]] = [
    {"kind": "rubric", "value": "names {{ city }}"},
    {"kind": "pairwise"},
    {"kind": "embedding_similarity", "model": "scripted", "value": "Off to Rome"},
    {"kind": "cost", "most": 0.01},
]


def said(verdict: str) -> str:
    return json.dumps({"reason": "It does.", "verdict": verdict})


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    rules = (Rule(anywhere="names Rome", answer=said("met")), Rule(anywhere="FIRST ANSWER", answer=said("tie")))
    with scripted(*rules) as running:
        add_provider(cast, running)
        yield running


@pytest.fixture
def suite(cast: Cast) -> Suite:
    return create_suite(cast.ada, "intents", title="Finds the intent")


def typed(cast: Cast, as_: SignedIn, suite: Suite, scorers: list[dict[str, Any]] | None = None) -> Form:
    """The editor of a draft with these scorers, and an output typed in its box."""
    form = form_of(as_(cast.ada), EDIT)
    form.set("scorers", json.dumps(scorers or GRADED))
    form.press(as_(cast.ada), "try")
    form = form_of(as_(cast.ada), EDIT)
    form.set("try_output", "Off to Rome")
    form.set("try_variables", '{"city": "Rome"}')
    return form


def test_judges__asked__say_what_they_say_in_a_run_and_nothing_else_is_kept(
    cast: Cast, as_: SignedIn, provider: ScriptedProvider, suite: Suite
) -> None:
    form = typed(cast, as_, suite)
    form.set("try_other", "Off to Paris")
    form.set("try_measured", '{"cost": 0.002}')

    without = form.press(as_(cast.ada), "try").content.decode()
    assert "Not asked: rubric, pairwise, embedding_similarity." in without and provider.calls == 0

    page = form.press(as_(cast.ada), "judge").content.decode()
    assert "The output passes" in page and "met: It does." in page and "tie: It does." in page
    assert "1.000 alike" in page and "Not asked" not in page
    assert provider.calls == 4 == Tryout.objects.filter(is_settled=True, error="", prompt=None).count()
    [event] = AuditEvent.objects.filter(event="suite.tried")
    assert [one["scorer"] for one in json.loads(event.detail)["asked"]] == [
        "rubric",
        "pairwise",
        "embedding_similarity",
    ]
    assert not Prompt.objects.filter(name__startswith="judges/").exists()


def test_judge__pinned_by_the_suite__is_asked_at_that_version(
    cast: Cast, as_: SignedIn, provider: ScriptedProvider, suite: Suite
) -> None:
    save_suite_version(cast.ada, suite, {"cases": cases(3), "scorers": GRADED[:1], "mode": "all_pass"})
    judge = Prompt.objects.get(name="judges/rubric")
    create_version(cast.ada, judge, {**judge.versions.get().editable(), "config": {"temperature": 1}})

    page = typed(cast, as_, suite, GRADED[:1]).press(as_(cast.ada), "judge").content.decode()

    assert "met: It does." in page and provider.asked[-1].body["temperature"] == 0
    assert Tryout.objects.get().version == judge.versions.get(number=1)


def test_judges__that_do_not_answer_in_their_form__let_nothing_pass(
    cast: Cast, as_: SignedIn, provider: ScriptedProvider, suite: Suite
) -> None:
    provider.script(Rule(anywhere="BEGIN", answer="Sure, it is fine!"), Rule(status=401))
    scorers = [GRADED[0], {**GRADED[2], "negate": True}, {"kind": "groundedness"}, GRADED[1]]
    page = typed(cast, as_, suite, scorers).press(as_(cast.ada), "judge").content.decode()

    assert "The output does not pass" in page and "does not fit its schema" in page
    assert "The judge gave no answer: rejected" in page and "There is no context" in page
    assert "Not asked: pairwise." in page and provider.calls == 2


@pytest.mark.parametrize(
    ("scorers", "says"),
    [
        ([{**GRADED[0], "judge": "judges/mine"}], "a prompt that this workspace does not have"),
        ([{**GRADED[0], "model": "gpt-9"}], "offers no model"),
        ([{"kind": "rubric", "name": f"r{n}", "value": "names Rome"} for n in range(11)], "more than 10 questions"),
    ],
)
def test_judges__that_cannot_be_asked__are_told_and_nothing_is_sent(
    cast: Cast, as_: SignedIn, provider: ScriptedProvider, suite: Suite, scorers: list[dict[str, Any]], says: str
) -> None:
    page = typed(cast, as_, suite, scorers).press(as_(cast.ada), "judge").content.decode()
    assert says in page and "Off to Rome" in page
    assert provider.calls == 0 and not Tryout.objects.exists()


def test_judges__past_what_trying_may_cost_in_a_day__are_not_asked(
    cast: Cast, as_: SignedIn, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evals_app.actions.judge_tries.most_of", lambda *_: Decimal("0.5"))
    with scripted() as provider, override_settings(TRY_DAILY_BUDGET=0.4):
        add_provider(cast, provider)
        page = typed(cast, as_, suite, GRADED[:1]).press(as_(cast.ada), "judge").content.decode()
        assert "may spend on trying today" in page and provider.calls == 0
    assert not AuditEvent.objects.filter(event="suite.tried").exists()


def test_editor__without_a_scorer_that_asks_a_model__offers_none_to_ask(
    cast: Cast, as_: SignedIn, suite: Suite
) -> None:
    assert "judge" not in typed(cast, as_, suite, [{"kind": "equals"}]).buttons
    assert "judge" in typed(cast, as_, suite).buttons
