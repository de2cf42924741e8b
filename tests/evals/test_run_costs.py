"""What a run cost, and in tokens: so far while it works, for good when it has ended."""

from decimal import Decimal

import pytest

from evals_app.actions.runs import cancel_run, retry_errors, start_run
from evals_app.models import Run
from evals_app.run_queries import sheet
from evals_app.scripted_provider import Rule
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work


@pytest.fixture(autouse=True)
def everything_has_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evals_app.engine.scoring.cost_of", lambda **_: Decimal("0.00100000"))


def _started(cast: Cast, **rules: object) -> Run:
    version = builders.prompt(cast.ada, text="two words {{ q }}").versions.get()
    return start_run(cast.ada, version, suite(cast.ada, **rules), baseline=None)  # type: ignore[arg-type]


def test_totals__run_has_ended__are_kept_with_it_and_counted_anew_after_a_retry(cast: Cast):
    with scripted(Rule(contains="7", status=400)) as provider:
        add_provider(cast, provider)
        run = work(_started(cast, of=cases(10)))
        assert (run.cost, run.input_tokens, run.output_tokens) == (Decimal("0.009"), 27, 27)
        provider.script()
        run = work(retry_errors(cast.ada, run))
    assert (run.cost, run.input_tokens, run.output_tokens) == (Decimal("0.01"), 30, 30)


def test_totals__run_works__are_shown_so_far_and_kept_when_it_is_cancelled(cast: Cast):
    with scripted() as provider:
        add_provider(cast, provider)
        run = _started(cast, of=cases(8))
        first = run.chunks.order_by("pk")[0]
        run.chunks.exclude(pk=first.pk).update(state="error")
        assert sheet(run).cost is None
        work(run)
        run.chunks.exclude(pk=first.pk).update(state="queued")
        Run.objects.filter(pk=run.pk).update(state="running", cost=None)
        run.refresh_from_db()
        assert sheet(run).cost == Decimal("0.002") and sheet(run).totals.output_tokens == 6
        assert cancel_run(cast.ada, run).cost == Decimal("0.002")
