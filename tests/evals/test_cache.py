"""Answers used again: by runs that only explore, never by one that a gate rests on."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from evals_app.actions.runs import start_run
from evals_app.models import Result, Run, Suite
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import PromptVersion
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, cases, scripted, suite, work

EXPLORE = {"temperature": 0}


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted() as running:
        add_provider(cast, running)
        yield running


@pytest.fixture
def version(cast: Cast) -> PromptVersion:
    return builders.prompt(cast.ada, text="{{ q }}").versions.select_related("prompt").get()


@pytest.fixture
def asked(cast: Cast) -> Suite:
    return suite(cast.ada, of=cases(12), repeats=2)


def _explore(cast: Cast, version: PromptVersion, asked: Suite) -> Run:
    return work(start_run(cast.ada, version, asked, baseline=None, config=EXPLORE))


def test_cache__exploratory_run_again__asks_nothing_and_says_the_same(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, asked: Suite, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("evals_app.engine.scoring.cost_of", lambda **_: Decimal("0.001"))
    first = _explore(cast, version, asked)
    assert provider.calls == 24 and not first.results.filter(is_cached=True).exists()
    second = _explore(cast, version, asked)
    assert provider.calls == 24
    assert second.pk != first.pk and second.results.filter(is_cached=True).count() == 24
    same = ("case", "repeat", "output", "scores", "is_passed", "input_tokens", "latency_ms", "cost", "request_digest")
    assert sorted(first.results.values_list(*same)) == sorted(second.results.values_list(*same))
    assert (first.cost, second.cost, second.input_tokens) == (Decimal("0.024"), None, None)
    third = _explore(cast, version, asked)
    assert third.results.filter(is_cached=True).count() == 24


def test_cache__run_that_posts_a_check__never_reads_it_but_fills_it(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, asked: Suite
):
    same = builders.version(cast.ada, version.prompt, "{{ q }}", config=EXPLORE)
    _explore(cast, version, asked)
    gate = work(start_run(cast.ada, same, asked, baseline=None))
    assert gate.posts_check and provider.calls == 48
    assert not gate.results.filter(is_cached=True).exists()
    _explore(cast, same, asked)
    assert provider.calls == 48


def test_cache__errors__are_asked_again(cast: Cast, provider: ScriptedProvider, version: PromptVersion, asked: Suite):
    provider.script(Rule(contains="7", status=400))
    _explore(cast, version, asked)
    provider.script()
    run = _explore(cast, version, asked)
    assert run.results.filter(is_cached=False).count() == 2 and provider.calls == 26
    assert not run.results.exclude(error="").exists()


def test_cache__other_parameters_or_another_prompt__is_another_question(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, asked: Suite
):
    _explore(cast, version, asked)
    work(start_run(cast.ada, version, asked, baseline=None, config={"temperature": 0.5}))
    _explore(cast, builders.version(cast.ada, version.prompt, "{{ q }}!"), asked)
    assert provider.calls == 72


def test_cache__another_workspace_asks_the_same__is_told_nothing(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, asked: Suite
):
    _explore(cast, version, asked)
    other = make_cast("other")
    add_provider(other, provider)
    theirs = builders.prompt(other.ada, text="{{ q }}").versions.get()
    _explore(other, theirs, suite(other.ada, of=cases(12), repeats=2))
    assert provider.calls == 48


def test_cache__answer_is_older_than_a_month__is_asked_again(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, asked: Suite
):
    _explore(cast, version, asked)
    Result.objects.update(created_at=F("created_at") - timedelta(days=31))
    _explore(cast, version, asked)
    assert provider.calls == 48


JUDGED = [{"kind": "rubric", "value": "it is a number"}]
MET = json.dumps({"reason": "because", "verdict": "met"})


@pytest.fixture
def judged(cast: Cast, provider: ScriptedProvider) -> Suite:
    provider.script(Rule(anywhere=" CRITERION", answer=MET))
    return suite(cast.ada, "judged", of=cases(6), scorers=JUDGED, repeats=2)


def test_cache__exploratory_run_again__takes_judges_replies_too_and_they_cost_nothing(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, judged: Suite, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("evals_app.engine.grading.cost_of", lambda **_: Decimal("0.01"))
    first = _explore(cast, version, judged)
    assert provider.calls == 24 and first.cost == Decimal("0.12")
    second = _explore(cast, version, judged)
    assert provider.calls == 24 and second.state == "finished"
    same = ("case", "repeat", "output", "scores", "is_passed")
    assert sorted(first.results.values_list(*same)) == sorted(second.results.values_list(*same))
    assert set(second.judge_replies.values_list("is_cached", "cost")) == {(True, Decimal("0.01"))}
    assert (second.cost, second.input_tokens) == (None, None)
    assert _explore(cast, version, judged).judge_replies.filter(is_cached=True).count() == 12


def test_cache__run_that_posts_a_check__asks_its_judges_anew_but_fills_it(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, judged: Suite
):
    same = builders.version(cast.ada, version.prompt, "{{ q }}", config=EXPLORE)
    _explore(cast, version, judged)
    gate = work(start_run(cast.ada, same, judged, baseline=None))
    assert gate.posts_check and provider.calls == 48
    assert not gate.judge_replies.filter(is_cached=True).exists()
    Run.objects.exclude(pk=gate.pk).delete()
    _explore(cast, same, judged)
    assert provider.calls == 48


def test_cache__judges_errors__are_asked_again_and_another_criterion_is_another_question(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, judged: Suite
):
    provider.script(Rule(anywhere=" ANSWER\n3\n", answer="no idea"), Rule(anywhere=" CRITERION", answer=MET))
    first = _explore(cast, version, judged)
    assert first.judge_replies.filter(error="judge").count() == 2
    provider.script(Rule(anywhere=" CRITERION", answer=MET))
    calls = provider.calls
    second = _explore(cast, version, judged)
    # The answers that were never judged are kept with their error, and so are asked again, with their judges.
    assert provider.calls - calls == 4 and not second.results.exclude(error="").exists()
    other = suite(cast.ada, "other", of=cases(6), scorers=[{"kind": "rubric", "value": "it is odd"}], repeats=2)
    third = _explore(cast, version, other)
    assert third.results.filter(is_cached=True).count() == 12
    assert not third.judge_replies.filter(is_cached=True).exists()
