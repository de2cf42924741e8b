"""Answers used again: by runs that only explore, never by one that a gate rests on."""

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
