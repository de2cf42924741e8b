"""One version over several models: started in one action, told column by column, stopped together."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from evals_app.actions.batches import cancel_batch, find_batch, start_batch
from evals_app.actions.runs import start_run
from evals_app.actions.suites import create_suite
from evals_app.batch_configs import parse_configs
from evals_app.batch_queries import BatchSheet, batch_sheet
from evals_app.budgets import Budget
from evals_app.models import Result, Run, RunBatch, RunState, Suite
from evals_app.scripted_provider import Rule, ScriptedProvider
from evals_app.stats import wilson
from evals_app.tallies import write_tallies
from prompts_app.models import PromptVersion, VersionCheck
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.models import AuditEvent
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work, work_all

MODELS = ({"model": "scripted"}, {"model": "small"}, {"model": "small", "temperature": 1})


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    """Echoes; the model `small` gets the case 7 wrong and has no answer to 8."""
    with scripted(Rule(contains="7", model="small", answer="x"), Rule(contains="8", model="small", status=400)) as one:
        add_provider(cast, one, models=["scripted", "small"])
        yield one


@pytest.fixture
def version(cast: Cast, provider: ScriptedProvider) -> PromptVersion:
    return builders.prompt(cast.ada, text="{{ q }}").versions.select_related("prompt").get()


@pytest.fixture
def asked(cast: Cast) -> Suite:
    return suite(cast.ada, of=cases(12))


def sheet_of(batch: RunBatch) -> BatchSheet:
    return batch_sheet(find_batch(batch.workspace_id, batch.pk))


def test_batch__three_columns__are_runs_that_post_no_check_and_one_event(
    cast: Cast, version: PromptVersion, asked: Suite
) -> None:
    before = AuditEvent.objects.count()

    batch = start_batch(cast.ada, version, asked, configs=MODELS)

    runs = list(batch.runs.order_by("batch_position"))
    assert [run.batch_position for run in runs] == [0, 1, 2]
    assert not any(run.posts_check or run.evidence_key or run.baseline_id for run in runs)
    assert not VersionCheck.objects.exists()
    [event] = AuditEvent.objects.order_by("pk")[before:]
    assert (event.event, event.subject_type, event.subject_id) == ("batch.started", "run_batch", str(batch.pk))
    assert start_run(cast.ada, version, asked, baseline=None).batch_id is None


def test_batch__when_its_runs_have_ended__tells_each_column_against_the_first(
    cast: Cast, version: PromptVersion, asked: Suite
) -> None:
    batch = start_batch(cast.ada, version, asked, configs=MODELS)
    first, second, _ = batch.runs.order_by("batch_position")
    assert sheet_of(batch).is_open and sheet_of(batch).progress.total == 36

    work(first)
    halfway = sheet_of(batch)
    work_all()
    Result.objects.filter(run=second, error="").update(cost="0.001", latency_ms=200)
    write_tallies(second)
    sheet = sheet_of(batch)

    assert halfway.is_open and halfway.columns[0].rate and halfway.columns[1].rate is None
    good, bad, _ = sheet.columns
    assert not sheet.is_open and sheet.scorers == ("equals",)
    assert good.rate and good.rate.mean == 1 and good.scores == {"equals": 1.0} and good.flips is None
    assert bad.rate and (bad.rate.mean, bad.rate.cases) == (10 / 11, 11)
    assert (bad.rate.lower, bad.rate.upper) == pytest.approx(wilson(10, 11, 0.05))
    assert bad.flips == {"better": 0, "worse": 1, "passed": 10, "failed": 0, "error": 1}
    assert (bad.progress.errors, bad.figures.cost, bad.figures.median) == (1, Decimal("0.011"), 200)
    assert bad.figures.p90 == 200 and bad.settings.model == "small" and sheet.columns[2].number == 3


def test_batch__models_that_cannot_be_asked_and_the_same_twice__names_each_and_starts_nothing(
    cast: Cast, version: PromptVersion, asked: Suite
) -> None:
    configs = ({}, {"model": "scripted"}, {"model": "grand"}, {"provider": "nowhere"})

    with pytest.raises(Invalid) as refused:
        start_batch(cast.ada, version, asked, configs=configs)

    assert [(error.field, error.code) for error in refused.value.errors] == [
        ("configs[1]", "repeated"), ("configs[2]", "model.unavailable"), ("configs[3]", "model.unavailable"),
    ]  # fmt: skip
    assert not Run.objects.exists() and not RunBatch.objects.exists()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([{}], "configs"),
        ([{}] * 11, "configs"),
        ("all", "configs"),
        ([{}, "small"], "configs[1]"),
        ([{}, {"temprature": 1}], "configs[1].temprature"),
        ([{}, {"model": 5}], "configs[1].model"),
    ],
)
def test_configs__what_is_no_list_of_models__is_refused_by_its_place(value: object, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_configs(value)  # type: ignore[arg-type]
    assert [error.field for error in refused.value.errors] == [field]


def test_batch__budget__holds_for_each_run_and_needs_prices(cast: Cast, version: PromptVersion, asked: Suite) -> None:
    batch = start_batch(cast.ada, version, asked, configs=MODELS[:2], budget=Budget(requests=5))
    work_all()
    states = [(run.state, run.spent_requests) for run in batch.runs.all()]
    assert states == [(RunState.ERROR, 5)] * 2
    with pytest.raises(Invalid, match="price"):
        start_batch(cast.ada, version, asked, configs=MODELS[:2], budget=Budget(cost=Decimal(1)))


def test_cancel__stops_what_is_open_and_leaves_the_rest(cast: Cast, version: PromptVersion, asked: Suite) -> None:
    batch = start_batch(cast.ada, version, asked, configs=MODELS[:2])
    work(batch.runs.get(batch_position=0))

    cancel_batch(cast.ada, batch)

    assert [run.state for run in batch.runs.order_by("pk")] == [RunState.FINISHED, RunState.CANCELLED]
    assert AuditEvent.objects.filter(event="batch.cancelled").count() == 1
    assert not AuditEvent.objects.filter(event="run.cancelled").exists()
    with pytest.raises(Conflict, match="ended"):
        cancel_batch(cast.ada, batch)


def test_batch__who_may_not_and_what_is_not_there__is_refused(cast: Cast, version: PromptVersion, asked: Suite) -> None:
    empty = create_suite(cast.ada, "empty", title="Empty")
    with pytest.raises(Conflict, match="no saved version"):
        start_batch(cast.ada, version, empty, configs=MODELS)
    with pytest.raises(Forbidden):
        start_batch(cast.vera, version, asked, configs=MODELS)
    batch = start_batch(cast.ada, version, asked, configs=MODELS)
    with pytest.raises(Forbidden):
        cancel_batch(cast.vera, batch)
    with pytest.raises(NotFound):
        find_batch(cast.linus.workspace_id, batch.pk)
