"""Judges' prompts rendered together, their replies kept one by one, and judges asked by the model that a scorer names."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from evals_app.actions.judges import add_judges
from evals_app.actions.providers import settings_of, update_provider
from evals_app.actions.runs import retry_errors
from evals_app.engine import grading
from evals_app.provider_settings import parse_provider
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.content import VersionContent
from prompts_app.models import Prompt
from registry.core.canonical import JSON
from registry.core.errors import Conflict
from tests import builders
from tests.api.client import Api
from tests.builders import Cast, version
from tests.evals.building import add_provider, cases, scripted, suite, work
from tests.evals.test_grading import MODES, RUBRIC, judge_says, ran, recipe, to_judge


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted(judge_says("met")) as running_provider:
        add_provider(cast, running_provider)
        yield running_provider


@pytest.fixture
def prompt(cast: Cast) -> Prompt:
    return builders.prompt(cast.ada, text="{{ q }}")


def test_judges_prompts__of_many_answers__are_rendered_together(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = grading.render_contents

    def counted(content: VersionContent, values: Sequence[Mapping[str, JSON]]) -> list[Any]:
        sizes.append(len(values))
        return real(content, values)

    monkeypatch.setattr(grading, "render_contents", counted)
    run = ran(cast, prompt, 40)
    assert run.verdict == "passed" and len(to_judge(provider)) == 40
    assert sum(sizes) == 40 and max(sizes) > 1


def test_judges_prompt__that_cannot_be_rendered_for_some__is_an_error_of_those_alone(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
) -> None:
    add_judges(cast.ada)
    content = Prompt.objects.get(name="judges/rubric").versions.get().editable()
    picky = builders.create_prompt(cast.ada, "judges/picky", kind="chat")
    system, user = content["messages"]
    text = user["content"] + "{{ '' if 1 // (output | int - 1) else '' }}"
    builders.create_version(cast.ada, picky, {**content, "messages": [system, {**user, "content": text}]})
    run = ran(cast, prompt, 4, scorers=[{**RUBRIC[0], "judge": "judges/picky"}, {**RUBRIC[0], "name": "second"}])
    assert dict(Counter(run.results.values_list("error", flat=True))) == {"": 3, "judge": 1}
    failed = run.results.get(error="judge")
    assert "cannot be rendered" in failed.output and failed.case.key == "case-1"
    # Nobody is paid for judging an answer that is in error already.
    assert len(to_judge(provider)) == 6


def test_judges_replies__are_kept_one_by_one_and_go_when_they_are_asked_again(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
) -> None:
    provider.script(Rule(anywhere=" ANSWER\n1\n", status=400), judge_says("met"))
    run = ran(cast, prompt)
    kept = run.judge_replies.order_by("case__position").values_list("scorer", "position", "error", "model")
    assert list(kept) == [("rubric", 0, error, "scripted") for error in ("", "rejected", "")]
    provider.script(judge_says("met"))
    work(retry_errors(cast.ada, run))
    assert Counter(run.judge_replies.values_list("error", flat=True)) == {"": 3}


def test_judge__with_a_model_named_by_the_scorer__is_asked_by_that_model_beside_its_own(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
) -> None:
    add_provider(cast, provider, name="second", models=["other", "third"])
    named = [{"name": "a", "provider": "second", "model": "third"}, {"name": "b", "provider": "second"}]
    run = ran(cast, prompt, 1, scorers=[RUBRIC[0], *({**RUBRIC[0], **one} for one in named)])
    assert run.verdict == "passed"
    assert Counter(asked.model for asked in to_judge(provider)) == {"scripted": 1, "third": 1, "other": 1}
    assert set(json.loads(run.judges)) == {
        "judges/rubric", "judges/rubric|second:third", "judges/rubric|second:",
    }  # fmt: skip
    pins = run.suite_version.load().judges
    assert [(pin.name, pin.version) for pin in pins] == [("judges/rubric", 1)]
    told = Api(cast.ada).get(f"runs/{run.pk}").json["judges"]
    assert {(one["judge"], one["model"]) for one in told} == {
        ("judges/rubric", model) for model in ("scripted", "third", "other")
    }
    lines = Api(cast.ada).get("suites/numbers/judges").json["judges"]
    assert {(one["scorer"], one["judge"], one["provider"]) for one in lines} == {
        ("rubric", "judges/rubric", "scripted"), ("a", "judges/rubric", "second"), ("b", "judges/rubric", "second"),
    }  # fmt: skip


def test_judge__with_a_model_that_nobody_offers__starts_no_run(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
) -> None:
    with pytest.raises(Conflict, match="nobody's"):
        ran(cast, prompt, 1, scorers=[{**RUBRIC[0], "model": "nobody's"}])


def test_recipe__when_a_provider_named_without_a_model_asks_another_first__changes(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
) -> None:
    second = add_provider(cast, provider, name="second", models=["other", "third"])
    scorers = [{**RUBRIC[0], "provider": "second"}]
    suite(cast.ada, of=cases(2), scorers=scorers, **MODES)
    before = recipe()
    allow = frozenset({f"127.0.0.1:{provider.port}"})

    def ask_first(*models: str) -> None:
        given = parse_provider({"models": list(models)}, base=settings_of(second), allow=allow)
        update_provider(cast.olga, second, given)

    ask_first("other")
    assert recipe() == before
    ask_first("third", "other")
    assert recipe() != before


def test_recipe__when_a_provider_that_a_version_names_without_a_model_asks_another_first__changes(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
) -> None:
    second = add_provider(cast, provider, name="second", models=["other", "third"])
    suite(cast.ada, of=cases(2), mode="report_only")
    allow = frozenset({f"127.0.0.1:{provider.port}"})

    def ask_first(*models: str) -> None:
        given = parse_provider({"models": list(models)}, base=settings_of(second), allow=allow)
        update_provider(cast.olga, second, given)

    before = recipe()
    ask_first("third", "other")
    assert recipe() == before
    version(cast.ada, prompt, "Yes or no? {{ n }}", config={"provider": "second"})
    ask_first("other", "third")
    assert recipe() != before
