"""Chunks: claimed once, resumed anywhere, never saved by who lost them; and what becomes of errors."""

import os
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db.models.functions import Now

from evals_app.actions.runs import cancel_run, retry_errors, start_run
from evals_app.engine import chunks, running
from evals_app.models import JudgeReply, Provider, Result, Run, RunChunk, RunState
from evals_app.scripted_provider import BODIES, Rule, ScriptedProvider
from prompts_app.models import Prompt, PromptVersion, VersionCheck
from registry.core import jobs
from registry.core.errors import Conflict
from registry.core.models import AuditEvent, JobState
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted() as running_provider:
        add_provider(cast, running_provider)
        yield running_provider


@pytest.fixture
def version(cast: Cast) -> PromptVersion:
    prompt: Prompt = builders.prompt(cast.ada, text="{{ q }}")
    return prompt.versions.select_related("prompt").get()


def started(cast: Cast, version: PromptVersion, *, baseline: PromptVersion | None = None, **rules: object) -> Run:
    return start_run(cast.ada, version, suite(cast.ada, **rules), baseline=baseline)  # type: ignore[arg-type]


def asked_twice(run: Run) -> list[tuple[str, str, int]]:
    counted = Counter(run.results.values_list("arm", "case__key", "repeat"))
    return [slot for slot, times in counted.items() if times > 1]


def newest_check() -> str:
    return VersionCheck.objects.order_by("-pk")[0].state


def test_chunk__worked_on_by_two__the_second_finds_nothing(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = started(cast, version)
    pk = run.chunks.order_by("pk")[0].pk
    run.chunks.exclude(pk=pk).update(state=JobState.DONE)
    assert set(chunks.work()) == {run.pk}
    assert set(chunks.work()) == set()
    assert provider.calls == run.chunks.get(pk=pk).total == run.chunks.get(pk=pk).done


def test_chunk__half_saved_and_lost__the_next_attempt_asks_only_what_is_missing(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = work(started(cast, version))
    chunk = run.chunks.order_by("pk")[0]
    lost = list(run.results.filter(case__position__range=(0, 4)).values_list("pk", flat=True))
    Result.objects.filter(pk__in=lost).delete()
    RunChunk.objects.filter(pk=chunk.pk).update(
        state=JobState.RUNNING, owner="elsewhere:1:x", attempt=1, lease_until="2020-01-01T00:00Z", done=chunk.total - 5
    )
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING)
    before = provider.calls
    running.run_chunk(chunk.pk)
    assert provider.calls - before == 5
    run.refresh_from_db()
    assert (run.state, run.results.count(), asked_twice(run)) == ("finished", 60, [])
    assert set(run.results.filter(case__position__range=(0, 4)).values_list("attempt", flat=True)) == {2}


def test_chunk__its_owner_on_this_host_is_gone__is_taken_up_whichever_message_woke_the_worker(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = started(cast, version)
    first, *others = run.chunks.order_by("pk").values_list("pk", flat=True)
    with subprocess.Popen(["true"]) as gone:
        pass
    host = socket.gethostname()[:32]
    for pk, pid in zip(others, [gone.pid, gone.pid, os.getpid()], strict=True):
        assert jobs.claim(RunChunk, pk, owner=f"{host}:{pid}:x", lease_s=60) is not None
    running.run_chunk(first)
    assert run.chunks.get(pk=others[0]).state == JobState.DONE, "what a worker has lost comes first"
    for _ in range(3):
        running.run_chunk(first)
    states = dict(run.chunks.values_list("pk", "state"))
    assert [states[pk] for pk in (first, *others)] == ["done", "done", "done", "running"]
    assert run.chunks.get(pk=others[0]).attempt == 2


def test_chunk__taken_over_while_asking__the_first_writes_nothing_more(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, monkeypatch: pytest.MonkeyPatch
):
    run = started(cast, version)
    pk = run.chunks.order_by("pk")[0].pk
    run.chunks.exclude(pk=pk).update(state=JobState.DONE)
    real = chunks.prepare

    def prepare_and_be_robbed(chunk: RunChunk, run: Run) -> object:
        prepared = real(chunk, run)
        RunChunk.objects.filter(pk=pk).update(owner="somebody else", attempt=2)
        return prepared

    monkeypatch.setattr(chunks, "prepare", prepare_and_be_robbed)
    assert set(chunks.work()) == {run.pk}
    assert run.results.count() == 0
    assert RunChunk.objects.get(pk=pk).state == JobState.RUNNING


def test_chunk__its_time_is_up__is_handed_on_and_goes_on_where_it_was(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, monkeypatch: pytest.MonkeyPatch
):
    run = started(cast, version, of=cases(4))
    monkeypatch.setattr(chunks, "LONGEST_S", 0)
    provider.latency_s = 0.6
    pk = run.chunks.order_by("pk")[0].pk
    run.chunks.exclude(pk=pk).update(state=JobState.CANCELLED)
    list(chunks.work())
    run.chunks.filter(state=JobState.CANCELLED).update(state=JobState.QUEUED)
    chunk = RunChunk.objects.get(pk=pk)
    assert (chunk.state, chunk.attempt) == (JobState.QUEUED, 0)
    monkeypatch.setattr(chunks, "LONGEST_S", 100)
    provider.latency_s = 0
    assert work(run).state == "finished"
    assert run.results.count() == 4 and asked_twice(run) == []


def test_chunk__lost_three_times__ends_the_run_in_error(cast: Cast, provider: ScriptedProvider, version: PromptVersion):
    run = started(cast, version, of=cases(1))
    for chunk in run.chunks.all():
        for _ in range(3):
            assert jobs.claim(RunChunk, chunk.pk, owner="dies", lease_s=1) is not None
            RunChunk.objects.filter(pk=chunk.pk).update(lease_until="2020-01-01T00:00Z")
    for pk in run.chunks.values_list("pk", flat=True):
        running.run_chunk(pk)
    run.refresh_from_db()
    assert (run.state, run.verdict, newest_check()) == ("error", "", "error")
    assert "1 answer is missing" in run.summary


def test_run__every_chunk_ended_but_nobody_said_so__the_sweep_ends_it(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = started(cast, version)
    for _ in range(run.chunks.count()):
        list(chunks.work())
    assert running.settle_lost_runs() == 1
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("finished", "passed")
    assert running.settle_lost_runs() == 0


@pytest.mark.parametrize("fault", ["html", "truncated", "nul", "null_content", "invalid_utf8", "no_choices"])
def test_answers__garbage_for_some__are_errors_with_excerpt_and_more_than_two_percent_is_an_error(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, fault: str
):
    provider.script(Rule(contains="7", fault=fault))
    run = work(started(cast, version, of=cases(20)))
    assert (run.state, run.verdict, newest_check()) == ("error", "", "error")
    errors = list(run.results.exclude(error=""))
    assert {error.case.key for error in errors} == {"case-7", "case-17"}
    assert all(error.output and not error.is_passed for error in errors)
    assert run.results.count() == 20 and fault in BODIES


def test_answers__one_error_in_sixty__is_left_out(cast: Cast, provider: ScriptedProvider, version: PromptVersion):
    provider.script(Rule(contains="17", status=400))
    run = work(started(cast, version))
    assert (run.state, run.verdict) == ("finished", "passed")
    assert run.metrics.get().case_count == 59


@pytest.mark.parametrize(
    "rules", [{"mode": "all_pass", "of": cases(60)}, {"of": cases(20, critical=True)}, {"of": cases(20)}]
)
def test_answers__one_of_a_case_s_three_is_an_error__the_case_is_and_asking_it_again_cures_that(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, rules: dict[str, Any]
):
    provider.script(Rule(contains="17", status=400, times=1))
    run = work(started(cast, version, repeats=3, **rules))
    assert run.results.exclude(error="").count() == 1
    assert (run.state, run.verdict, newest_check()) == ("error", "", "error"), run.summary
    assert work(retry_errors(cast.ada, run)).verdict == "passed"


def test_answers__one_of_180_is_an_error__its_case_counts_by_the_others(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    provider.script(Rule(contains="17", status=400, times=1))
    run = work(started(cast, version, repeats=3))
    assert (run.verdict, run.metrics.get().case_count) == ("passed", 60)


def test_retry_errors__after_an_error__asks_only_those_and_is_no_look(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    provider.script(Rule(contains="7", status=400))
    run = work(started(cast, version))
    assert run.state == "error"
    provider.script()
    before = provider.calls
    failed = run.results.exclude(error="").count()
    retried = work(retry_errors(cast.ada, run))
    assert provider.calls - before == failed > 0
    assert (retried.pk, retried.state, retried.verdict, retried.look) == (run.pk, "finished", "passed", 1)
    assert retried.results.count() == 60 and newest_check() == "passed"
    with pytest.raises(Conflict, match="answered"):
        retry_errors(cast.ada, retried)


def test_retry_errors__after_chunks_were_lost__asks_what_is_missing(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = started(cast, version, of=cases(8))
    run.chunks.update(state=JobState.ERROR)
    assert running.settle(run.pk)
    run.refresh_from_db()
    assert run.state == "error"
    assert work(retry_errors(cast.ada, run)).verdict in {"passed", "inconclusive"}
    assert run.results.count() == 8


def test_cancel__while_queued__nothing_is_asked_and_the_check_is_an_error(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = cancel_run(cast.grace, started(cast, version))
    assert (run.state, newest_check()) == ("cancelled", "error")
    assert work(run).state == "cancelled"
    assert provider.calls == 0
    with pytest.raises(Conflict):
        cancel_run(cast.grace, run)
    assert list(AuditEvent.objects.filter(subject_type="run").order_by("sequence").values_list("event", flat=True)) == [
        "run.started", "run.cancelled",
    ]  # fmt: skip


def test_cancel__while_running__the_worker_stops_asking(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, monkeypatch: pytest.MonkeyPatch
):
    Provider.objects.update(concurrency=2)
    provider.latency_s = 0.1
    run = started(cast, version)
    real = chunks._save

    monkeypatch.setattr("evals_app.engine.asking.MOST_PER_SLICE", 4)

    def save_then_cancel(chunk: RunChunk, results: list[Result], replies: list[JudgeReply]) -> None:
        real(chunk, results, replies)
        if results and Run.objects.get(pk=run.pk).is_open:
            cancel_run(cast.ada, run)

    monkeypatch.setattr(chunks, "_save", save_then_cancel)
    work(run)
    asked = provider.calls
    assert 0 < asked < 60 and provider.most_in_flight <= 2
    assert RunChunk.objects.filter(run=run, state=JobState.CANCELLED).count() == run.chunks.count()


def test_template__variable_missing_in_the_cases__is_an_error_that_names_it(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    needs_more = builders.version(cast.ada, version.prompt, "{{ q }} {{ tone }}")
    run = work(started(cast, needs_more, baseline=version))
    assert (run.state, newest_check()) == ("error", "error")
    assert "tone" in run.summary and "60 cases could not be rendered" in run.summary
    assert provider.calls == 60
    alone = work(start_run(cast.ada, needs_more, suite(cast.ada, "alone", of=cases(1)), baseline=None))
    assert alone.summary.startswith("1 case could not be rendered")


def test_interleaving__baseline_and_candidate__are_asked_beside_each_other(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    Provider.objects.update(concurrency=1)
    other = builders.version(cast.ada, version.prompt, "{{ q }}!")
    work(started(cast, other, baseline=version, of=cases(8)))
    asked = [one.question for one in provider.asked]
    assert [one.removesuffix("!") for one in asked] == [str(n) for n in range(8) for _ in range(2)]


def test_provider__its_key_cannot_be_opened__is_an_error_that_says_so(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    Provider.objects.update(sealed_key="v1.0123abcd.AAAA")
    run = work(started(cast, version))
    assert run.state == "error" and "ENCRYPTION_KEYS" in run.summary
    assert provider.calls == 0


def test_scorer__value_is_a_template__is_rendered_for_each_case(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = work(
        started(cast, version, scorers=[{"kind": "equals", "value": "{{ q }}"}, {"kind": "regex", "value": "^[0-9]+$"}])
    )
    assert run.verdict == "passed"
    assert list(run.metrics.values_list("name", "verdict")) == [
        ("passes", "passed"), ("equals", "reported"), ("regex", "reported"),
    ]  # fmt: skip


def test_heartbeat__slow_answers__move_the_lease_on(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chunks, "HEARTBEAT_S", 0)
    leases = []
    real = jobs.extend

    def extend(row: RunChunk, *, lease_s: float) -> bool:
        leases.append(RunChunk.objects.filter(pk=row.pk, lease_until__gt=Now()).count())
        return real(row, lease_s=lease_s)

    monkeypatch.setattr(jobs, "extend", extend)
    provider.latency_s = 1.2
    run = started(cast, version, of=cases(4))
    work(run)
    assert len(leases) >= 4 and all(leases)


def test_fallback__provider_is_down__answers_instead_and_is_recorded_on_each_result(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    provider.script(Rule(model="scripted", status=503))
    add_provider(cast, provider, name="spare", models=["other", "more"])
    Provider.objects.filter(name="scripted").update(fallback=Provider.objects.get(name="spare"))
    run = work(started(cast, version, of=cases(8)))
    assert run.state == "finished"
    assert set(run.results.values_list("provider_name", "model", "error")) == {("spare", "other", "")}
    # Each is tried three times at first, until the breaker opens: then nobody asks the first one any more.
    assert 8 + 10 <= provider.calls <= 8 * 4
    assert all(run.results.values_list("is_fallback", flat=True))


def test_fallback__provider_answers_nonsense__is_not_asked(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    provider.script(Rule(model="scripted", fault="html"))
    add_provider(cast, provider, name="spare", models=["other"])
    Provider.objects.filter(name="scripted").update(fallback=Provider.objects.get(name="spare"))
    run = work(started(cast, version, of=cases(8)))
    assert run.state == "error"
    assert {asked.model for asked in provider.asked} == {"scripted"}


def test_rate_limit__some_answers_are_429__all_wait_and_none_is_lost(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    provider.script(Rule(status=429, retry_after="1", times=5))
    run = work(started(cast, version, of=cases(40)))
    assert (run.state, run.results.exclude(error="").count(), run.results.count()) == ("finished", 0, 40)
    refused, others = provider.asked[:5], provider.asked[5:]
    late = [asked for asked in others if asked.at > refused[-1].at + 0.9]
    assert len(late) >= 5


def test_limits__valkey_is_down__the_run_waits_and_ends_when_it_is_back(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, monkeypatch: pytest.MonkeyPatch
):
    from evals_app.engine.machinery import machinery

    real = machinery().limits._sync_script
    downs = iter(range(3))

    async def take(**options: object) -> object:
        if next(downs, None) is not None:
            raise redis.ConnectionError
        return await real(**options)  # type: ignore[arg-type]

    monkeypatch.setattr("evals_app.providers.limits.DOWN_NAP_S", 0.1)
    monkeypatch.setattr(machinery().limits, "_sync_script", take)
    run = work(started(cast, version, of=cases(8)))
    assert (run.state, run.results.filter(error="").count()) == ("finished", 8)
