"""A provider that is overloaded, broken, slow or talks nonsense: F13 to F17."""

import time

import pytest

from evals_app.models import Result, Run
from evals_app.scripted_provider import BODIES, CUTS, Rule
from prompts_app.models import VersionCheck
from tests.faults.processes import descendants, memory_mb
from tests.faults.stage import Stage

CASES = 60
TOLD_S, UNDER_WAY_S = 5.0, 2.0
WHOLE = ("one_packet", "byte_by_byte")


def errors_of(run: Run) -> dict[str, str]:
    """The kind of each error, by the case's key."""
    return dict(Result.objects.filter(run=run).exclude(error="").values_list("case__key", "error"))


def ended(stage: Stage, run: Run) -> Run:
    stage.all_ended()
    run.refresh_from_db()
    return run


@pytest.mark.faults
def test_provider__says_429_and_when_to_come_back__both_workers_wait_and_nothing_is_lost(stage: Stage) -> None:
    stage.provider.script(Rule(status=429, retry_after=f"{TOLD_S:.0f}", times=1), Rule(latency_s=0.05))
    stage.add_provider(concurrency=8)
    suite = stage.suite(CASES)
    with stage.worker(), stage.worker(with_beat=False):
        run = ended(stage, stage.start(suite))
        first = stage.provider.asked[0].at
        waits = [asked.at - first for asked in stage.provider.asked]
        # Questions that were on their way already may come; then nobody asks until it is time.
        assert [wait for wait in waits if UNDER_WAY_S < wait < TOLD_S] == []
        assert (run.state, run.verdict, errors_of(run)) == ("finished", "passed", {})
        back = min(wait for wait in waits if wait > UNDER_WAY_S)
        stage.provider.script(Rule(status=429, times=12))
        again = ended(stage, stage.start(suite))
        assert (again.state, again.verdict, errors_of(again)) == ("finished", "passed", {})
    stage.close("F13 provider says 429", recovery=f"told {TOLD_S:.0f} s, asked again after {back:.1f} s", schedules=2)


def test_provider__fails_for_a_while_or_for_good__is_tried_again_then_an_error_that_nobody_takes_for_a_pass(
    stage: Stage,
) -> None:
    stage.add_provider(concurrency=8)
    suite = stage.suite(CASES)
    with stage.worker():
        stage.provider.script(*(Rule(status=status, times=3) for status in (500, 502, 529)))
        run = ended(stage, stage.start(suite))
        assert (run.state, run.verdict, errors_of(run)) == ("finished", "passed", {})
        assert stage.asked_in_vain() == 9
        stage.provider.script(Rule(contains="<7>", status=500))
        run = ended(stage, stage.start(suite))
        assert (run.state, run.verdict, errors_of(run)) == ("finished", "passed", {"case-7": "server"})
        stage.provider.script(*(Rule(contains=f"<{n}>", status=502) for n in (1, 2, 3)))
        run = ended(stage, stage.start(suite))
        assert (run.state, run.verdict) == ("error", "")
        assert errors_of(run) == {f"case-{n}": "server" for n in (1, 2, 3)}
        check = VersionCheck.objects.filter(run_id=run.pk).order_by("-pk").first()
        assert check is not None and check.state == "error"
    stage.close("F14 provider answers 500, 502, 529", recovery="the next try", schedules=3)


@pytest.mark.faults
def test_provider__slow_hung_or_dripping__costs_each_case_its_time_and_no_more(stage: Stage) -> None:
    deadline_s = 3
    stage.provider.script(
        Rule(contains="<0>", fault="hang"), Rule(contains="<1>", fault="drip"), Rule(contains="<2>", latency_s=1.5)
    )
    stage.add_provider(concurrency=8, timeout_s=deadline_s)
    suite = stage.suite(2 * CASES)
    with stage.worker():
        run = ended(stage, stage.start(suite))
    assert (run.state, run.verdict) == ("finished", "passed")
    assert errors_of(run) == {"case-0": "timeout", "case-1": "timeout"}
    wall = time.time() - time.monotonic()
    asked = {one.question: one.at + wall for one in stage.provider.asked}
    rows = Result.objects.filter(run=run, error="timeout").values_list("case__position", "created_at")
    took = max(at.timestamp() - asked[f"é <{position}>"] for position, at in rows)
    assert deadline_s <= took + 0.5 and took < deadline_s + 15
    stage.close(
        "F15 provider slow, hung, one byte a second", recovery=f"deadline {deadline_s} s, saved after {took:.1f} s"
    )


@pytest.mark.faults
def test_provider__talks_garbage__each_is_an_error_with_an_excerpt_and_the_worker_lives_on(stage: Stage) -> None:
    faults = [*BODIES, "huge", "gzip_bomb", "reset"]
    stage.add_provider(concurrency=4)
    suite = stage.suite(len(faults))
    with stage.worker() as worker:
        clean = ended(stage, stage.start(suite))
        assert clean.state == "finished"
        processes = descendants(worker.process.pid)
        before = memory_mb(processes)
        stage.provider.script(*(Rule(contains=f"<{n}>", fault=fault) for n, fault in enumerate(faults)))
        run = ended(stage, stage.start(suite))
        grown = memory_mb(processes) - before
        assert run.state == "error"
        for n, fault in enumerate(faults):
            result = Result.objects.get(run=run, case__key=f"case-{n}")
            assert result.error and result.output and "\x00" not in result.output, fault
        assert descendants(worker.process.pid) == processes, "a process of the worker was replaced"
        stage.provider.script()
        assert ended(stage, stage.start(suite)).state == "finished"
    assert grown < 150, f"{grown:.0f} MB more for answers of 50 MB"
    stage.close("F16 provider talks garbage", recovery=f"none needed; memory {grown:+.0f} MB", schedules=len(faults))


@pytest.mark.faults
def test_provider__stream_cut_anywhere__is_never_taken_for_an_answer(stage: Stage) -> None:
    stage.provider.script(*(Rule(contains=f"<{n}>", fault=fault) for n, fault in enumerate(CUTS)))
    stage.add_provider(concurrency=4, streams=True)
    suite = stage.suite(len(CUTS) + 4)
    with stage.worker():
        run = ended(stage, stage.start(suite))
    assert run.state == "error"
    broken = {f"case-{n}" for n, fault in enumerate(CUTS) if fault not in WHOLE}
    assert set(errors_of(run)) == broken
    assert not Result.objects.filter(run=run, output="").exists(), "an error without an excerpt"
    stage.close("F17 stream cut or cut up", recovery="none needed", schedules=len(CUTS))
