"""Who is worked on first: what a gate waits for, then the workspace with the least under way, or by lot."""

from django.db.models.functions import Now

from evals_app.actions.runs import start_run
from evals_app.engine import running
from evals_app.engine.queue import claim_next, waiting
from evals_app.models import Priority, Run, RunChunk
from evals_app.scripted_provider import ScriptedProvider
from registry.core import jobs
from registry.core.models import JobState
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, cases, scripted, suite


def _run(cast: Cast, provider: ScriptedProvider, *, name: str = "p", **options: object) -> Run:
    if not cast.workspace.providers.exists():
        add_provider(cast, provider)
    version = builders.prompt(cast.ada, name, text="{{ q }}").versions.get()
    return start_run(cast.ada, version, suite(cast.ada, name, of=cases(4)), baseline=None, **options)  # type: ignore[arg-type]


def _next() -> RunChunk:
    chunk = claim_next(owner="test", lease_s=60)
    assert chunk is not None
    return chunk


def test_claim__a_gate_and_an_exploration_wait__the_gate_is_first_though_it_came_later(cast: Cast):
    with scripted() as provider:
        curious = _run(cast, provider, config={"temperature": 1})
        gate = _run(cast, provider, name="q")
    assert {chunk.priority for chunk in curious.chunks.all()} == {Priority.EXPLORATION}
    order = [_next().run_id for _ in range(8)]
    assert order == [gate.pk] * 4 + [curious.pk] * 4
    assert claim_next(owner="test", lease_s=60) is None


def test_claim__two_workspaces_wait__they_take_turns_by_what_is_under_way(cast: Cast):
    with scripted() as provider:
        many = [_run(cast, provider, name=f"p{n}") for n in range(3)]
        other = make_cast("other")
        late = _run(other, provider, name="late")
    order = [_next().workspace_id for _ in range(8)]
    for turn in range(0, 8, 2):
        assert set(order[turn : turn + 2]) == {cast.workspace.pk, other.workspace.pk}
    assert late.chunks.filter(state=JobState.RUNNING).count() == 4
    assert {_next().run_id for _ in range(8)} <= {run.pk for run in many}


def test_waiting__two_workspaces_and_nothing_under_way__either_may_be_first(cast: Cast):
    with scripted() as provider:
        for number in range(3):
            _run(cast, provider, name=f"p{number}")
        other = make_cast("other")
        _run(other, provider, name="late")
    first = {RunChunk.objects.get(pk=waiting()[0]).workspace_id for _ in range(50)}
    assert first == {cast.workspace.pk, other.workspace.pk}


def test_claim__a_lease_ran_out__comes_before_its_kind_and_counts_as_another_attempt(cast: Cast):
    with scripted() as provider:
        run = _run(cast, provider)
    lost = _next()
    RunChunk.objects.filter(pk=lost.pk).update(lease_until="2020-01-01T00:00Z")
    again = _next()
    assert (again.pk, again.attempt) == (lost.pk, 2)
    assert jobs.finish(lost) is False and jobs.finish(again)
    assert run.chunks.filter(state=JobState.DONE).count() == 1


def test_claim__not_before_later__waits(cast: Cast):
    with scripted() as provider:
        run = _run(cast, provider)
    run.chunks.update(not_before="2999-01-01T00:00Z")
    assert waiting() == []
    run.chunks.update(not_before=Now())
    assert len(waiting()) == 4


def test_hint__of_an_exploration__works_on_the_gate_first(cast: Cast):
    with scripted() as provider:
        curious = _run(cast, provider, config={"temperature": 1})
        gate = _run(cast, provider, name="q")
        running.run_chunk(curious.chunks.order_by("pk")[0].pk)
        assert "temperature" not in provider.asked[0].body
        assert gate.results.exists()
