"""A broker that is emptied, killed or away: F7 and F8. Rows are the truth, messages only hints."""

import time

import pytest

from evals_app.models import RunChunk
from registry.core.models import JobState
from tests.faults.stage import Stage, wait

# More than a worker can end while its broker is away: what it holds already it works through without one.
CASES, LATENCY_S, RUNS = 200, 0.1, 4
AWAY_S = 3.0
HUNG_S = 30.0


def begin(stage: Stage) -> None:
    """Several runs, more than the worker has hands for: some of their messages still wait at the broker."""
    stage.provider.latency_s = LATENCY_S
    stage.add_provider(concurrency=8)
    suite = stage.suite(CASES)
    for _ in range(RUNS):
        stage.start(suite)
    wait("nothing was saved", lambda: stage.answers() > 5)
    assert RunChunk.objects.filter(state=JobState.QUEUED).exists(), "nothing waits: the test would prove nothing"


def goes_on(stage: Stage) -> float:
    """Seconds until the next answer is saved."""
    before = stage.answers()
    return wait("nothing went on", lambda: stage.answers() > before)


@pytest.mark.faults
def test_broker__emptied_while_runs_work__all_of_them_end(stage: Stage) -> None:
    with stage.worker():
        begin(stage)
        stage.broker.empty()
        recovery = goes_on(stage)
        ended = stage.all_ended()
    stage.close("F7 broker emptied (FLUSHALL)", recovery=f"{recovery:.1f} s, all ended after {ended:.0f} s")


@pytest.mark.faults
def test_broker__killed_and_back_without_its_data__all_runs_end(stage: Stage) -> None:
    with stage.worker() as worker:
        begin(stage)
        stage.broker.kill()
        time.sleep(AWAY_S)
        stage.broker.revive()
        recovery = goes_on(stage)
        ended = stage.all_ended()
        assert worker.process.poll() is None
    stage.close("F7 broker killed, back empty after 3 s", recovery=f"{recovery:.1f} s, all ended after {ended:.0f} s")


def test_broker__away_when_a_run_is_asked_for__the_run_is_accepted_and_starts_when_it_is_back(stage: Stage) -> None:
    bodies = asked_for(stage)
    stage.broker.kill()
    slowest = accepted(stage, bodies)
    stage.broker.revive()
    starts_later(stage, "F8 broker away when runs are asked for", slowest)


@pytest.mark.faults
def test_broker__frozen_when_a_run_is_asked_for__the_run_is_accepted_and_starts_when_it_goes_on(stage: Stage) -> None:
    bodies = asked_for(stage)
    with stage.broker.frozen():
        slowest = accepted(stage, bodies)
    starts_later(stage, "F8 broker frozen when runs are asked for", slowest)


def asked_for(stage: Stage) -> list[dict[str, object]]:
    """What will be asked for, one more run having been started before: the web process has done all this once."""
    stage.add_provider()
    suite = stage.suite(30)
    stage.start(suite)
    return [stage.ask(suite) for _ in range(3)]


def accepted(stage: Stage, bodies: list[dict[str, object]]) -> float:
    """Asks for all of them; seconds that the slowest took. The ceiling only stops hangs."""
    answers = [stage.client.post("runs", body) for body in bodies]
    assert [told.status for told in answers] == [202, 202, 202]
    slowest = max(told.seconds for told in answers)
    assert slowest < HUNG_S
    return slowest


def starts_later(stage: Stage, fault: str, slowest: float) -> None:
    """Now there is a worker, and it is told of the runs by the sweep."""
    with stage.worker():
        began = time.monotonic()
        wait("nothing was saved", lambda: stage.answers() > 0)
        recovery = time.monotonic() - began
        stage.all_ended()
    assert stage.asked_in_vain() == 0
    stage.close(fault, recovery=f"accepted within {slowest:.1f} s, begun {recovery:.1f} s after a worker was there")
