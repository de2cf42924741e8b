"""Ten thousand queued runs of somebody else: F24."""

import time
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from evals_app.engine.starting import priority_of
from evals_app.models import Result, Run, RunChunk
from prompts_app.actions.prompts import create_prompt
from registry.core.models import JobState, OutboxMessage
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, cases, suite
from tests.faults.ledger import Client, Ledger
from tests.faults.processes import descendants, memory_mb
from tests.faults.stage import SCOPES, Stage, wait
from tests.scenes import go_live

QUEUED, CANCELLED = 10_000, 20
FETCHES = 150


@transaction.atomic
def queue(cast: Cast, count: int) -> list[int]:
    """So many exploratory runs of one case each, inserted as rows whose messages were lost."""
    prompt = create_prompt(cast.ada, "heavy", kind="text")
    version = builders.version(cast.ada, prompt, "{{ q }}")
    made = suite(cast.ada, of=cases(1), mode="report_only")
    settings = '{"provider": "scripted", "model": "scripted", "parameters": {}}'
    runs = Run.objects.bulk_create(
        Run(
            workspace=cast.workspace,
            prompt=prompt,
            candidate=version,
            suite_version=made.versions.get(),
            posts_check=False,
            reason="by_hand",
            started_by_name="Ada",
            candidate_settings=settings,
            first_repeat=number,  # each asks anew: no cache answers
            repeats=1,
        )
        for number in range(count)
    )
    RunChunk.objects.bulk_create(
        RunChunk(
            run=run,
            workspace_id=run.workspace_id,
            priority=priority_of(run),
            first_position=0,
            last_position=0,
            total=1,
        )
        for run in runs
    )
    return [run.pk for run in runs]


def percentiles(client: Client) -> tuple[float, float]:
    """p50 and p99 in ms of fetching what is live, one request after the other."""
    path = "environments/staging/prompts/echo"
    times = sorted(client.get(path).seconds * 1000 for _ in range(FETCHES))
    return times[FETCHES // 2], times[int(FETCHES * 0.99)]


@pytest.fixture
def heavy(stage: Stage) -> Iterator[Cast]:
    """Another workspace, with a provider of its own."""
    cast = make_cast(f"heavy{time.monotonic_ns()}")
    add_provider(cast, stage.provider, concurrency=4)
    yield cast
    RunChunk.objects.filter(run__workspace=cast.workspace).update(state=JobState.CANCELLED)


@pytest.mark.faults
def test_queue__ten_thousand_runs_of_one_workspace__leave_room_for_another_and_can_be_cancelled(
    stage: Stage, heavy: Cast
) -> None:
    stage.provider.latency_s = 0.02
    stage.add_provider(concurrency=4)
    mine = stage.suite(20)
    go_live(stage.cast, stage.prompt.versions.get(), "staging")
    idle = percentiles(stage.client)
    theirs = Client(stage.client.url, heavy.key(scopes=SCOPES), Ledger(stage.folder / "theirs.jsonl"))
    usual = {"WORKER_NICENESS": "10"}  # who fetches beside them is measured
    with stage.worker(concurrency=1, **usual) as one, stage.worker(concurrency=1, with_beat=False, **usual) as two:
        pks = queue(heavy, QUEUED)
        wait("nothing of theirs was answered", lambda: Result.objects.filter(run__in=pks[:500]).count() > 20)
        processes = descendants(one.process.pid) | descendants(two.process.pid)
        before = memory_mb(processes)
        done_before = done(pks)
        # An exploratory run, as theirs are: what lets it go first is only that it is another workspace's.
        assert stage.client.post("runs", {**stage.ask(mine), "config": {"top_p": 1}}).status == 202
        took = stage.all_ended(within_s=300)
        meanwhile = done(pks) - done_before
        busy = percentiles(stage.client)
        given_up = pks[-CANCELLED:]
        told = [theirs.post(f"runs/{pk}/cancel") for pk in given_up]
        assert {one.status for one in told} == {200}, [one.body for one in told if one.status != 200]
        grown = memory_mb(processes) - before
        assert Run.objects.in_workspace(heavy.workspace.pk).open().exists(), "the queue was too short to prove anything"
    assert done([]) == done(pks), "an answer without a run"
    assert not Result.objects.filter(run__in=given_up).exists()
    assert set(Run.objects.filter(pk__in=given_up).values_list("state", flat=True)) == {"cancelled"}
    assert meanwhile < QUEUED / 10, f"{meanwhile} of their runs went before mine"
    assert grown < 100, f"{grown:.0f} MB more"
    assert counted_twice() == []
    stage.close(
        f"F24 {QUEUED:,} queued runs",
        recovery=f"another workspace's run took {took:.0f} s, {meanwhile} of theirs meanwhile; memory {grown:+.0f} MB; "
        f"fetch p50 {idle[0]:.0f} → {busy[0]:.0f} ms, p99 {idle[1]:.0f} → {busy[1]:.0f} ms",
    )


@pytest.mark.faults
def test_what_is_told__while_workers_are_busy_with_runs__waits_for_none_of_them(stage: Stage) -> None:
    stage.provider.latency_s = 1.0
    stage.add_provider(concurrency=1)
    mine = stage.suite(40)
    runs = stage.worker(concurrency=1, with_beat=False, queue="runs")
    with runs, stage.worker(concurrency=1, with_beat=False, queue="default"):
        for _ in range(3):  # more than the workers have processes
            stage.start(mine)
        wait("nothing was answered", lambda: stage.answers() > 1)
        assert stage.client.post(f"prompts/{stage.prompt.name}/versions", {"text": "{{ q }}!"}).status == 201
        told = OutboxMessage.objects.filter(pk=OutboxMessage.objects.latest("pk").pk, state=JobState.DONE)
        took = wait("it was not told", told.exists, within_s=60)
        assert stage.open_runs().count() == 3, "the runs were too short to prove anything"
        for run in stage.open_runs():
            assert stage.client.post(f"runs/{run.pk}/cancel").status == 200
    stage.close("F24 workers busy with runs", recovery=f"a saved version was told after {took:.1f} s")


def done(pks: list[int]) -> int:
    """How many of these runs have ended by themselves; of all where none are named."""
    rows = Run.objects.filter(state="finished", suite_version__case_count=1)
    return (rows.filter(pk__in=pks) if pks else rows).count()


def counted_twice() -> list[int]:
    """Chunks that count another number of answers than there are; one query over all."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.run_id FROM evals_app_runchunk c LEFT JOIN evals_app_result r ON r.run_id = c.run_id "
            "WHERE c.total = 1 GROUP BY c.id HAVING max(c.done) <> count(r.id)"
        )
        return [row[0] for row in cursor.fetchall()]
