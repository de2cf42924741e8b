"""A run stops before it spends more than it may, however many workers it has; with a larger budget it goes on."""

import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db import connection

from evals_app.actions.runs import retry_errors, start_run
from evals_app.budgets import Budget, parse_budget
from evals_app.engine import running
from evals_app.models import Run, RunChunk, RunUsage
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import VersionCheck
from registry.core import jobs
from registry.core.errors import Invalid
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, cases, scripted, suite, work

PRICE = Decimal("0.01")


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted() as running_provider:
        add_provider(cast, running_provider)
        yield running_provider


def _started(cast: Cast, budget: Budget, *, count: int = 20) -> Run:
    version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
    return start_run(cast.ada, version, suite(cast.ada, of=cases(count)), baseline=None, budget=budget)


def test_budget__of_requests__stops_before_it_is_exceeded_and_says_so(cast: Cast, provider: ScriptedProvider):
    run = work(_started(cast, Budget(requests=7)))
    assert (run.state, run.spent_requests, provider.calls, run.results.count()) == ("error", 7, 7, 7)
    assert "budget of 7 requests" in run.summary
    check = VersionCheck.objects.order_by("-pk")[0]
    assert (check.state, check.summary) == ("error", run.summary)
    assert RunUsage.objects.get(run=run).answers == 7


def test_budget__enlarged_by_a_retry__goes_on_where_it_stopped(cast: Cast, provider: ScriptedProvider):
    run = work(_started(cast, Budget(requests=7)))
    still = work(retry_errors(cast.ada, run))
    assert (still.state, provider.calls) == ("error", 7)
    ended = work(retry_errors(cast.ada, still, budget=Budget(requests=20)))
    assert (ended.state, ended.results.count(), provider.calls, ended.look) == ("finished", 20, 20, 1)


def test_budget__that_reaches__changes_nothing(cast: Cast, provider: ScriptedProvider):
    run = work(_started(cast, Budget(requests=20)))
    assert (run.state, run.verdict, run.spent_requests) == ("finished", "passed", 20)


def test_budget__every_try__counts(cast: Cast, provider: ScriptedProvider):
    provider.script(Rule(status=500, times=3))
    run = work(_started(cast, Budget(requests=8)))
    assert run.state == "error" and provider.calls == 8 == run.spent_requests


def test_budget__of_money__is_never_exceeded_and_uses_what_answers_really_cost(
    cast: Cast, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
):
    def price(*, output_tokens: int | None, **_: object) -> Decimal:
        return PRICE * (output_tokens or 0)

    for place in (
        "evals_app.engine.budget.cost_of",
        "evals_app.engine.scoring.cost_of",
        "evals_app.actions.runs.cost_of",
    ):
        monkeypatch.setattr(place, price)
    # An answer is one word and costs a cent; held is what 4,096 would cost, until it is known.
    monkeypatch.setattr("evals_app.engine.budget.TOKENS_OF_AN_ANSWER", 5)
    run = work(_started(cast, Budget(cost=Decimal("0.10"))))
    assert run.state == "error" and "budget of $0.1" in run.summary
    assert run.cost == run.spent_cost and Decimal("0.05") < run.spent_cost <= Decimal("0.10")


def test_budget__of_money_for_a_model_without_a_price__is_refused(cast: Cast, provider: ScriptedProvider):
    with pytest.raises(Invalid, match="price"):
        _started(cast, Budget(cost=Decimal(1)))
    assert not Run.objects.exists()


def test_budget__worker_was_lost__what_it_held_counts_as_spent(cast: Cast, provider: ScriptedProvider):
    run = _started(cast, Budget(requests=10), count=8)
    first = run.chunks.order_by("pk")[0]
    lost = jobs.claim(RunChunk, first.pk, owner="dies", lease_s=1)
    assert lost is not None
    RunChunk.objects.filter(pk=lost.pk).update(held_requests=4, lease_until="2020-01-01T00:00Z")
    run = work(run)
    for pk in run.chunks.values_list("pk", flat=True):
        running.run_chunk(pk)
    run.refresh_from_db()
    assert run.state == "error"
    assert (run.spent_requests, provider.calls) == (10, 6)


@pytest.mark.parametrize(
    "value", [{"cost": 0}, {"cost": -1}, {"requests": 0}, {"requests": 1.5}, {"money": 1}, [], {"cost": "1"}]
)
def test_parse_budget__nonsense__is_refused(value: object):
    with pytest.raises(Invalid):
        parse_budget(value)  # type: ignore[arg-type]


@pytest.mark.django_db(transaction=True)
def test_budget__three_workers_at_once__is_kept_by_all_of_them_together():
    cast = make_cast(is_open=True)
    with scripted(latency_s=0.02) as provider:
        add_provider(cast, provider, concurrency=30)
        run = _started(cast, Budget(requests=33), count=60)

        def labour(pk: int) -> None:
            try:
                running.run_chunk(pk)
            finally:
                connection.close()

        pks = list(run.chunks.values_list("pk", flat=True))
        threads = [threading.Thread(target=labour, args=(pk,)) for pk in pks[:3]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for pk in pks:
            running.run_chunk(pk)
        run.refresh_from_db()
        assert (run.state, provider.calls, run.spent_requests) == ("error", 33, 33)
        assert run.results.count() == 33
