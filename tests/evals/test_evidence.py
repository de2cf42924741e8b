"""Which runs are started, which are reused, and what a second look does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from evals_app.actions.providers import settings_of, update_provider
from evals_app.actions.runs import start_run
from evals_app.actions.suites import save_suite_version
from evals_app.models import Run, RunChunk, Suite
from evals_app.provider_settings import ProviderInput, parse_provider
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.facts import current_policy, required_check_facts
from prompts_app.models import Prompt, PromptVersion, VersionCheck
from registry.core import jobs
from registry.core.clock import database_now
from registry.core.errors import Conflict, Forbidden
from registry.core.models import AuditEvent
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, cases, require, scripted, suite, work


@pytest.fixture
def provider(cast: Cast):
    with scripted() as running:
        add_provider(cast, running)
        yield running


@pytest.fixture
def prompt(cast: Cast) -> Prompt:
    return builders.prompt(cast.ada, text="{{ q }}")


def only(prompt: Prompt) -> PromptVersion:
    return prompt.versions.select_related("prompt").get()


def gate(cast: Cast, prompt: Prompt, *, live: PromptVersion | None = None) -> str:
    """What the production gate sees of the one required suite."""
    policy = current_policy(cast.environment("production")).load()
    version = prompt.versions.select_related("prompt").order_by("-number")[0]
    [fact] = required_check_facts(prompt, version, policy, live)
    return fact.counts_as(database_now(), policy.max_age_days)


def test_start__the_same_is_queued_or_fresh__is_reused(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    first = start_run(cast.ada, only(prompt), made, baseline=None)
    assert start_run(cast.grace, only(prompt), made, baseline=None) == first
    work(first)
    assert start_run(cast.ada, only(prompt), made, baseline=None) == first
    assert AuditEvent.objects.filter(event="run.started").count() == 1


def test_start__two_prompts_with_the_same_content__each_has_its_own_run(cast: Cast, provider: ScriptedProvider):
    one = builders.prompt(cast.ada, "a", text="{{ q }}")
    other = builders.prompt(cast.ada, "b", text="{{ q }}")
    made = suite(cast.ada)
    assert start_run(cast.ada, only(one), made, baseline=None) != start_run(cast.ada, only(other), made, baseline=None)


def test_again__looks_are_used_up__is_shown_but_posts_no_check(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    first = work(start_run(cast.ada, only(prompt), made, baseline=None))
    checks = VersionCheck.objects.count()
    second = work(start_run(cast.ada, only(prompt), made, baseline=None, again=True))
    assert (second.posts_check, second.look, second.first_repeat) == (False, 2, 1)
    assert (second.state, second.verdict) == ("finished", "passed")
    assert VersionCheck.objects.count() == checks
    assert first.pk != second.pk


def test_again__second_look__pools_within_each_case_and_goes_on_counting_repeats(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    # All wrong at first, all right the second time: pooled, half of the answers are right in every case.
    made = suite(cast.ada, looks=2, first_floor=0.9)
    provider.script(Rule(answer="wrong"))
    first = work(start_run(cast.ada, only(prompt), made, baseline=None))
    assert first.verdict == "failed"
    provider.script()
    second = work(start_run(cast.ada, only(prompt), made, baseline=None, again=True))
    assert (second.look, second.first_repeat, second.posts_check) == (2, 1, True)
    [metric] = second.metrics.all()
    assert metric.mean_new == 0.5 and second.verdict == "failed"
    assert set(second.results.values_list("repeat", flat=True)) == {1}
    assert "Look 2" in second.summary


def test_again__earlier_attempt_ended_in_error__was_no_look(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    provider.script(Rule(status=400))
    assert work(start_run(cast.ada, only(prompt), made, baseline=None)).state == "error"
    provider.script()
    second = work(start_run(cast.ada, only(prompt), made, baseline=None))
    assert (second.look, second.posts_check, second.verdict, second.first_repeat) == (1, True, "passed", 1)


def test_again__a_second_look_came_to_nothing__asking_once_more_is_that_look(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    made = suite(cast.ada, looks=2)
    require(cast.ada, made, prompt)
    first = work(start_run(cast.ada, only(prompt), made, baseline=None))
    provider.script(Rule(status=400))
    assert work(start_run(cast.ada, only(prompt), made, baseline=None, again=True)).state == "error"
    assert gate(cast, prompt) == "error"
    provider.script()
    once_more = work(start_run(cast.ada, only(prompt), made, baseline=None))
    assert (once_more.look, once_more.posts_check, once_more.verdict) == (2, True, "passed")
    assert gate(cast, prompt) == "passed" and once_more.pk != first.pk
    assert start_run(cast.ada, only(prompt), made, baseline=None) == once_more


def test_again__earlier_attempt_is_too_old__leaves_the_pool(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    first = work(start_run(cast.ada, only(prompt), made, baseline=None))
    Run.objects.filter(pk=first.pk).update(finished_at=Now() - timedelta(days=15))
    second = start_run(cast.ada, only(prompt), made, baseline=None)
    assert (second.pk != first.pk, second.look, second.posts_check) == (True, 1, True)


def test_evidence__suite_edited__is_stale(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    require(cast.ada, made, prompt)
    assert gate(cast, prompt) == "missing"
    work(start_run(cast.ada, only(prompt), made, baseline=None))
    assert gate(cast, prompt) == "passed"
    save_suite_version(cast.grace, made, {"cases": cases(61), "scorers": [{"kind": "equals"}], "margin": 0.1})
    assert gate(cast, prompt) == "stale"


def test_evidence__default_model_changed__is_stale(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    require(cast.ada, made, prompt)
    work(start_run(cast.ada, only(prompt), made, baseline=None))
    row = Run.objects.get().workspace.providers.get()
    allow = frozenset({f"127.0.0.1:{provider.port}"})
    same = parse_provider({"concurrency": 4}, base=settings_of(row), allow=allow)
    update_provider(cast.olga, row, same)
    assert gate(cast, prompt) == "passed"
    other = parse_provider({"models": ["scripted-2", "scripted"]}, base=settings_of(row), allow=allow)
    update_provider(cast.olga, row, ProviderInput(other.settings, None))
    assert gate(cast, prompt) == "stale"


def test_config__pinned_by_hand__compares_models_and_posts_no_check(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    made = suite(cast.ada)
    version = only(prompt)
    run = work(start_run(cast.ada, version, made, baseline=version, config={"temperature": 0.7}))
    assert (run.posts_check, run.evidence_key, run.verdict) == (False, "", "passed")
    assert VersionCheck.objects.count() == 0
    hot = [asked for asked in provider.asked if asked.body.get("temperature") == 0.7]
    assert len(hot) == 60 and provider.calls == 120


def test_config__names_a_model_nobody_offers__is_refused_with_what_there_is(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    version = builders.version(cast.ada, prompt, "{{ q }}!", config={"model": "gpt-unheard-of"})
    with pytest.raises(Conflict, match="scripted"):
        start_run(cast.ada, version, suite(cast.ada), baseline=None)
    assert Run.objects.count() == 0


def test_start__viewer_or_service_key__may_not(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    for actor in (cast.vera, cast.key("service", environment="production").actor):
        with pytest.raises(Forbidden):
            start_run(actor, only(prompt), made, baseline=None)


def test_report_only__nothing_is_judged__posts_no_check(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    run = work(start_run(cast.ada, only(prompt), suite(cast.ada, mode="report_only"), baseline=None))
    assert (run.state, run.verdict, run.posts_check) == ("finished", "", False)
    assert run.metrics.get().verdict == "reported"
    assert VersionCheck.objects.count() == 0 and Suite.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_start__by_eight_at_once__is_one_run():
    cast = make_cast()
    with scripted() as running:
        add_provider(cast, running)
        prompt = builders.prompt(cast.ada, text="{{ q }}")
        version, made = only(prompt), suite(cast.ada)
        barrier = threading.Barrier(8)

        def start() -> int:
            barrier.wait(10)
            try:
                return start_run(cast.ada, version, made, baseline=None).pk
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            started = [future.result() for future in [pool.submit(start) for _ in range(8)]]
    assert len(set(started)) == 1 == Run.objects.count()
    assert AuditEvent.objects.filter(event="run.started").count() == 1


@pytest.mark.django_db(transaction=True)
def test_start__broker_is_down__the_run_is_there_and_the_broker_was_asked_once(monkeypatch: pytest.MonkeyPatch):
    cast = make_cast()
    hinted: list[int] = []

    def fail(pk: int) -> None:
        hinted.append(pk)
        raise OperationalError("connection refused")

    monkeypatch.setitem(jobs._looked_after, RunChunk, fail)
    with scripted() as running:
        add_provider(cast, running)
        version = only(builders.prompt(cast.ada, text="{{ q }}"))
        run = start_run(cast.ada, version, suite(cast.ada), baseline=None)
    assert (run.state, run.chunks.count(), len(hinted)) == ("queued", 4, 1)


def test_start__two_suites_of_the_same_content__are_two_runs_and_two_checks(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    made = [suite(cast.ada, slug) for slug in ("numbers", "numerals")]
    for one in made:
        require(cast.ada, one, prompt)
    runs = [work(start_run(cast.ada, only(prompt), one, baseline=None)) for one in made]
    assert runs[0].pk != runs[1].pk and runs[0].evidence_key != runs[1].evidence_key
    policy = current_policy(cast.environment("production")).load()
    facts = required_check_facts(prompt, only(prompt), policy, None)
    states = {fact.name: fact.counts_as(database_now(), policy.max_age_days) for fact in facts}
    assert states == {"suite/numbers": "passed", "suite/numerals": "passed"}
