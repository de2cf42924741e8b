"""Workers that die, stand still, or are told twice: F1, F2, F9 and F20."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evals_app.engine.asking import SLICE_S
from evals_app.models import Result, RunChunk
from registry.celery import app
from registry.core.models import JobState
from tests.faults import table
from tests.faults.processes import descendants
from tests.faults.stage import Stage, half_done, pid_of, wait
from tests.servers import Part

CASES, LATENCY_S = 120, 0.1


# Of a worker that dies: the four questions on their way, and the answers of the fifth of a second that was not saved yet.
MOST_IN_VAIN = 4 + round(4 * SLICE_S / LATENCY_S)


def begin(stage: Stage, *, concurrency: int = 4) -> None:
    """A run of two arms that takes some seconds."""
    stage.provider.latency_s = LATENCY_S
    stage.add_provider(concurrency=concurrency)
    suite = stage.suite(CASES)
    told = stage.client.post("runs", {**stage.ask(suite), "baseline": 1})
    assert told.status == 202, told


def test_worker__child_killed_in_the_middle__another_goes_on_at_once(stage: Stage) -> None:
    with stage.worker():
        begin(stage)
        wait("no chunk was half done", half_done)
        lost = half_done()
        assert lost is not None
        os.kill(pid_of(lost.owner), signal.SIGKILL)
        recovery = wait("it was not taken up", lambda: RunChunk.objects.get(pk=lost.pk).attempt == 2)
        stage.all_ended()
    assert 0 <= stage.asked_in_vain() <= MOST_IN_VAIN
    assert Result.objects.filter(attempt=2).exists()
    stage.close("F1 worker child killed", recovery=f"{recovery:.1f} s")


@pytest.mark.faults
def test_worker__all_of_it_killed__another_that_runs_goes_on_when_the_lease_is_up(stage: Stage) -> None:
    with stage.worker(), stage.worker(with_beat=False, concurrency=1) as victim:
        begin(stage)
        lost = working_below(victim)
        victim.stop(signal.SIGKILL)
        recovery = wait("it was not taken up", lambda: RunChunk.objects.get(pk=lost.pk).attempt == 2)
        stage.all_ended()
    assert 0 <= stage.asked_in_vain() <= MOST_IN_VAIN
    stage.close("F2 whole worker killed", recovery=f"{recovery:.1f} s (lease 20 s)")


@pytest.mark.faults
def test_chunks__hinted_at_many_times_to_two_workers__are_worked_through_once(stage: Stage) -> None:
    with stage.worker(), stage.worker(with_beat=False):
        begin(stage)
        wait("nothing began", lambda: stage.answers() > 5)
        pks = list(RunChunk.objects.values_list("pk", flat=True))
        with app.connection_for_write(stage.broker.url) as connection:
            for pk in pks * 5:
                app.send_task("evals.run_chunk", (pk,), connection=connection)
        stage.all_ended()
    assert stage.asked_in_vain() == 0
    assert not Result.objects.filter(attempt__gt=1).exists()
    stage.close("F9 every message delivered six times", recovery="nothing to recover")


@pytest.mark.faults
def test_worker__stands_still_past_its_lease_and_wakes__writes_nothing_more(stage: Stage) -> None:
    with stage.worker() as healthy, stage.worker(with_beat=False, concurrency=1) as sleeper:
        assert healthy.process.poll() is None
        begin(stage)
        held = working_below(sleeper)
        os.killpg(sleeper.process.pid, signal.SIGSTOP)
        recovery = wait("it was not taken up", lambda: RunChunk.objects.get(pk=held.pk).attempt == 2)
        os.killpg(sleeper.process.pid, signal.SIGCONT)
        stage.all_ended()
        wait("the sleeper did not notice", lambda: b"chunk.lost" in sleeper.log.read_bytes(), within_s=30)
    stage.close("F9 worker stopped past its lease, then woken", recovery=f"{recovery:.1f} s (lease 20 s)")


@pytest.mark.faults
def test_worker__whose_clock_is_an_hour_ahead_and_jumps_two_back__works_as_any_other(stage: Stage) -> None:
    """Leases are the database's time and limits Valkey's: nobody's chunk looks expired, nobody's turn lasts for ever."""
    fault = "F20 a worker's clock 1 h ahead, then 1 h behind"
    library = next((path for path in FAKETIME if Path(path).exists()), None)
    if library is None:
        table.skipped(fault, "faketime is not installed")
        pytest.skip("not run: faketime is not installed")
    skew = stage.folder / "skew"
    set_clock(skew, "+1h")
    fake = {"FAKETIME_TIMESTAMP_FILE": str(skew), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    fake["LD_PRELOAD"] = library
    assert 3000 < clock_of(fake) - time.time() < 4200, "the clock is not skewed: the test would prove nothing"
    with stage.worker(), stage.worker(with_beat=False, **fake) as skewed:
        begin(stage, concurrency=8)
        held = working_below(skewed)
        set_clock(skew, "-1h")
        assert -4200 < clock_of(fake) - time.time() < -3000
        stage.all_ended()
        assert RunChunk.objects.get(pk=held.pk).state == JobState.DONE
    assert not RunChunk.objects.filter(attempt__gt=1).exists(), "a lease looked expired to somebody"
    assert stage.asked_in_vain() == 0
    stage.close(fault, recovery="nothing to recover")


FAKETIME = tuple(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1" for machine in ("x86_64", "aarch64"))


def set_clock(skew: Path, offset: str) -> None:
    """In one step: a process that reads the file while it is half written is ended by faketime itself."""
    whole = skew.with_suffix(".new")
    whole.write_text(offset)
    whole.replace(skew)


def clock_of(fake: dict[str, str]) -> float:
    """What time it is for a process with these variables."""
    command = [sys.executable, "-c", "import time; print(time.time())"]
    answer = subprocess.run(command, env={**os.environ, **fake}, capture_output=True, text=True, check=True, timeout=30)
    return float(answer.stdout)


def working_below(worker: Part) -> RunChunk:
    """Waits until a process of this worker holds a chunk that it has begun; the chunk."""
    children = descendants(worker.process.pid)

    def theirs() -> RunChunk | None:
        chunks = RunChunk.objects.filter(state=JobState.RUNNING, done__gt=0)
        return next((chunk for chunk in chunks if pid_of(chunk.owner) in children), None)

    found: list[RunChunk | None] = []
    wait("it never worked", lambda: found.append(theirs()) or found[-1])
    assert found[-1] is not None
    return found[-1]
