"""Runs under many hands: what waits for whom."""

import pytest

from evals_app.actions.runs import cancel_run, start_run
from evals_app.models import Case, Result, RunChunk, RunState
from registry.core import jobs
from tests.builders import Cast, make_cast, prompt
from tests.evals.building import add_provider, scripted, suite
from tests.invariants.racing import one_after_the_other

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def free() -> Cast:
    return make_cast(is_open=True)


def test_cancel__while_a_worker_saves__waits_for_it_and_never_in_a_circle(free: Cast) -> None:
    """A result refers to its run, which is looked at when the worker commits: that must not need the canceller's lock."""
    with scripted() as provider:
        add_provider(free, provider)
        run = start_run(free.ada, prompt(free.ada, text="{{ q }}").versions.get(), suite(free.ada), baseline=None)
    chunk = jobs.claim(RunChunk, run.chunks.order_by("pk")[0].pk, owner="worker", lease_s=60)
    assert chunk is not None
    case = Case.objects.filter(suite_version=run.suite_version)[0]

    def save() -> bool:
        held = jobs.holds(chunk)
        Result.objects.create(run=run, case=case, arm="candidate", repeat=0)
        return held

    saved, cancelled = one_after_the_other(save, lambda: cancel_run(free.ada, run))
    assert (saved.value, cancelled.won) == (True, True)
    run.refresh_from_db()
    assert (run.state, Result.objects.filter(run=run).count()) == (RunState.CANCELLED, 1)
    assert RunChunk.objects.get(pk=chunk.pk).state == "cancelled"
