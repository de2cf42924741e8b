"""A worker killed with -9 in the middle of a run: nothing is lost, nothing is done twice."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from django.db.models import F

from evals_app.actions.runs import start_run
from evals_app.models import Run, RunChunk
from evals_app.scripted_provider import ScriptedProvider
from registry.core.models import JobState
from tests import builders
from tests.builders import make_cast
from tests.evals.building import add_provider, cases, scripted, suite
from tests.servers import run_worker

CASES, LATENCY_S = 120, 0.15
ENDS_WITHIN_S = 150


def _start(provider: ScriptedProvider) -> Run:
    cast = make_cast()
    add_provider(cast, provider, concurrency=4)
    prompt = builders.prompt(cast.ada, text="{{ q }}")
    base = prompt.versions.select_related("prompt").get()
    version = builders.version(cast.ada, prompt, "{{ q }}", config={"temperature": 0})
    return start_run(cast.ada, version, suite(cast.ada, of=cases(CASES)), baseline=base)


def _wait(what: str, until: float, *, condition: object) -> None:
    assert callable(condition)
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def _assert_exactly_once(run: Run, provider: ScriptedProvider) -> None:
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("finished", "passed"), run.summary
    slots = Counter(run.results.values_list("arm", "case__key", "repeat"))
    assert len(slots) == CASES * 2 and set(slots.values()) == {1}
    assert not run.results.exclude(error="").exists()
    done = sum(run.chunks.values_list("done", flat=True))
    asked_in_vain = provider.calls - CASES * 2
    print(f"asked {provider.calls} times for {CASES * 2} answers, {done} saved")
    assert done == CASES * 2
    # What was on its way when a worker died is asked again, and nothing else.
    assert 0 <= asked_in_vain <= 40


def _half_done() -> RunChunk | None:
    """A chunk that somebody works on, begun but far from done, once none waits for a worker any more."""
    if RunChunk.objects.filter(state=JobState.QUEUED).exists():
        return None
    return RunChunk.objects.filter(state=JobState.RUNNING, done__gt=0, done__lt=F("total") / 2).first()


@pytest.mark.django_db(transaction=True)
def test_worker__child_killed_in_the_middle__another_goes_on_at_once(tmp_path: Path):
    with scripted(latency_s=LATENCY_S) as provider:
        allow = f"127.0.0.1:{provider.port}"
        with run_worker(tmp_path, concurrency=2, OUTBOUND_ALLOW=allow):
            run = _start(provider)
            until = time.monotonic() + ENDS_WITHIN_S
            _wait("no chunk was half done", until, condition=_half_done)
            lost = _half_done()
            assert lost is not None
            os.kill(int(lost.owner.split(":")[1]), signal.SIGKILL)
            killed = time.monotonic()
            _wait("it was not taken up", until, condition=lambda: RunChunk.objects.get(pk=lost.pk).attempt == 2)
            print(f"taken up again after {time.monotonic() - killed:.1f} s")
            _wait("the run did not end", until, condition=lambda: Run.objects.get(pk=run.pk).state == "finished")
        _assert_exactly_once(run, provider)


@pytest.mark.django_db(transaction=True)
def test_worker__all_of_it_killed_in_the_middle__the_next_one_ends_the_run(tmp_path: Path):
    with scripted(latency_s=LATENCY_S) as provider:
        allow = f"127.0.0.1:{provider.port}"
        with run_worker(tmp_path, concurrency=2, OUTBOUND_ALLOW=allow) as worker:
            run = _start(provider)
            until = time.monotonic() + ENDS_WITHIN_S
            _wait("nothing was saved", until, condition=lambda: run.results.count() > 10)
            worker.stop(signal.SIGKILL)
            killed = time.monotonic()
        assert Run.objects.get(pk=run.pk).state == "running"
        with run_worker(tmp_path, concurrency=2, OUTBOUND_ALLOW=allow):
            _wait("the run did not end", until, condition=lambda: Run.objects.get(pk=run.pk).state == "finished")
            print(f"ended {time.monotonic() - killed:.1f} s after the kill, the next worker's start included")
        _assert_exactly_once(run, provider)
