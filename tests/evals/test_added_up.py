"""What pages say of a run that has ended comes from what was added up then: the same that counting its answers says."""

from collections.abc import Iterator
from typing import Any

import pytest

from evals_app.actions.batches import find_batch, start_batch
from evals_app.actions.runs import find_run, start_run
from evals_app.batch_queries import batch_sheet
from evals_app.case_counts import PICKS, Pick, counted_cases
from evals_app.case_grid import case_grid
from evals_app.engine import running
from evals_app.models import ArmScore, ArmTally, Result, Run, Suite
from evals_app.run_queries import figures
from evals_app.scripted_provider import Rule, ScriptedProvider
from evals_app.tag_queries import tag_report
from evals_app.tallies import not_added_up, write_tallies
from prompts_app.models import Prompt
from tests import builders
from tests.builders import Cast
from tests.evals import building

SCORERS = [{"kind": "contains"}, {"kind": "regex", "name": "old", "value": "^Old", "weight": 0}]


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    """Echoes; version 2 gets cases 3 to 6 wrong, version 1 case 20 and no answer to 21."""
    wrong = [Rule(anywhere=f"Now {n}.", answer="nothing") for n in range(3, 7)]
    old = [Rule(anywhere="Old 20.", answer="nothing"), Rule(anywhere="Old 21.", status=400)]
    with building.scripted(*wrong, *old) as scripted:
        building.add_provider(cast, scripted, models=["scripted", "small"])
        yield scripted


@pytest.fixture
def prompt(cast: Cast, provider: ScriptedProvider) -> Prompt:
    made = builders.prompt(cast.ada, "numbers/echo", text="Old {{ q }}.")
    builders.version(cast.ada, made, "Now {{ q }}.")
    return made


@pytest.fixture
def suite(cast: Cast) -> Suite:
    """Thirty cases, every third of them odd, the fifth critical."""
    of = building.cases(30)
    for n, case in enumerate(of):
        case |= {"tags": ["odd", "every"] if n % 3 else ["every"], "critical": n == 4}
    return building.suite(cast.ada, of=of, scorers=SCORERS, repeats=2)


@pytest.fixture
def run(cast: Cast, prompt: Prompt, suite: Suite) -> Run:
    """Version 2 beside version 1; one repeat of a case was lost, one answer came from the cache, latencies are known."""
    new, old = prompt.versions.select_related("prompt").order_by("-number")
    ended = building.work(start_run(cast.ada, new, suite, baseline=old))
    Result.objects.filter(run=ended, case__position=9, repeat=1).delete()
    Result.objects.filter(run=ended, case__position=11).update(is_cached=True, cost="0.5")
    Result.objects.filter(run=ended, case__position=5, arm="candidate", repeat=0).update(
        latency_ms=1234, judge_cost="0.1"
    )
    write_tallies(ended)
    return find_run(prompt.workspace_id, ended.pk)


def forget() -> None:
    ArmTally.objects.all().delete()
    ArmScore.objects.all().delete()


def test_run__added_up__says_what_counting_says(run: Run) -> None:
    def told() -> list[Any]:
        found: list[Any] = [figures(run), tag_report(run), tag_report(run, limit=1, offset=1)]
        cases = counted_cases(run)
        for pick in (Pick(status, tag) for status in ("", *PICKS) for tag in ("", "odd", "none")):
            grid = case_grid(run, pick, page="1")
            found += [grid.rows, grid.counts, grid.page.paginator.count, list(cases.picked(pick)), cases.worst(pick, 3)]
            found += [cases.neighbours(pick, position) for position in (0, 4, 20, 29)]
        return found

    assert not_added_up() == []
    added = told()
    forget()

    assert added == told()
    assert not_added_up() == [run.pk]


def test_batch__added_up__says_what_counting_says(cast: Cast, prompt: Prompt, suite: Suite) -> None:
    version = prompt.versions.select_related("prompt").get(number=1)
    batch = start_batch(cast.ada, version, suite, configs=({"model": "scripted"}, {"model": "small"}))
    building.work_all()
    Result.objects.filter(case__position=5, repeat=0).update(latency_ms=1234, cost="0.25", judge_cost="0.1")
    for run in batch.runs.all():
        write_tallies(run)

    def told() -> list[Any]:
        columns = batch_sheet(find_batch(batch.workspace_id, batch.pk)).columns
        return [(column.rate, dict(column.scores), column.figures, column.flips) for column in columns]

    added = told()
    forget()

    assert added == told()


def test_sweep__run_that_ended_without_being_added_up__adds_it_up(run: Run) -> None:
    forget()

    running.settle_lost_runs()

    assert ArmTally.objects.filter(run=run, cached__isnull=False).count() == 2


def test_add_up__run_that_was_opened_again__waits_for_its_end(cast: Cast, run: Run) -> None:
    forget()
    Run.objects.filter(pk=run.pk).update(state="running", finished_at=None)

    running.settle_lost_runs()

    assert ArmTally.objects.filter(run=run).count() == 2
    assert not find_run(run.workspace_id, run.pk).is_open
