"""A run stops before it spends more than it may, however many workers it has; with a larger budget it goes on."""

import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db import connection, transaction

from evals_app.actions.budgets import set_default_budget
from evals_app.actions.judges import add_judges
from evals_app.actions.runs import retry_errors, start_run
from evals_app.actions.suites import attach_suite
from evals_app.budgets import Budget, parse_budget
from evals_app.engine import running
from evals_app.engine.triggers import start_runs_for_version
from evals_app.models import Provider, Run, RunChunk, RunUsage
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import Prompt, VersionCheck
from registry.core import jobs
from registry.core.errors import Forbidden, Invalid
from registry.core.models import AuditEvent
from tests import builders
from tests.api.client import Api
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, cases, scripted, suite, work

PRICE = Decimal("0.01")


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted() as running_provider:
        add_provider(cast, running_provider)
        yield running_provider


def _only_scripted(*, model: str, **_: object) -> Decimal | None:
    return PRICE if model == "scripted" else None


def _started(cast: Cast, budget: Budget, *, count: int = 20) -> Run:
    version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
    return start_run(cast.ada, version, suite(cast.ada, of=cases(count)), baseline=None, budget=budget)


def test_budget__of_requests__stops_before_it_is_exceeded_and_says_so(cast: Cast, provider: ScriptedProvider):
    run = work(_started(cast, Budget(requests=7)))
    assert (run.state, run.spent_requests, provider.calls, run.results.count()) == ("error", 7, 7, 7)
    assert "budget of 7 requests was exceeded: 7 requests spent." in run.summary
    check = VersionCheck.objects.order_by("-pk")[0]
    assert (check.state, check.summary) == ("error", run.summary)
    assert RunUsage.objects.get(run=run).answers == 7
    other = builders.version(cast.ada, run.prompt, "{{ q }}, please")
    alone = work(start_run(cast.ada, other, run.suite_version.suite, baseline=None, budget=Budget(requests=1)))
    assert "budget of 1 request was exceeded: 1 request spent." in alone.summary


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
        "evals_app.budget_queries.cost_of",
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


def test_budget__of_money_where_only_the_judge_or_who_stands_in_has_no_price__is_refused(
    cast: Cast, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("evals_app.budget_queries.cost_of", _only_scripted)
    add_provider(cast, provider, name="second", models=["other"])
    add_judges(cast.ada)
    content = Prompt.objects.get(name="judges/rubric").versions.get().editable()
    strict = builders.create_prompt(cast.ada, "judges/strict", kind="chat")
    builders.create_version(cast.ada, strict, {**content, "config": {"provider": "second", "model": "other"}})
    version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
    judged = suite(cast.ada, of=cases(2), scorers=[{"kind": "rubric", "value": "a", "judge": "judges/strict"}])
    with pytest.raises(Invalid) as refused:
        start_run(cast.ada, version, judged, baseline=None, budget=Budget(cost=Decimal(1)))
    assert "price of other" in refused.value.errors[0].message

    plain = suite(cast.ada, "plain", of=cases(2))
    assert start_run(cast.ada, version, plain, baseline=None, budget=Budget(cost=Decimal(1))).budget_cost == 1
    Provider.objects.filter(name="scripted").update(fallback=Provider.objects.get(name="second"))
    with pytest.raises(Invalid, match="price"):
        start_run(cast.ada, version, plain, baseline=None, again=True, config={}, budget=Budget(cost=Decimal(1)))


def test_budget__of_requests__counts_what_judges_are_asked(cast: Cast, provider: ScriptedProvider):
    provider.script(Rule(anywhere=" CRITERION", answer='{"reason": "because", "verdict": "met"}'))
    version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
    judged = suite(cast.ada, of=cases(10), scorers=[{"kind": "rubric", "value": "a"}])
    run = work(start_run(cast.ada, version, judged, baseline=None, budget=Budget(requests=15)))
    assert (run.state, run.spent_requests, provider.calls) == ("error", 15, 15)
    other = builders.version(cast.ada, version.prompt, "{{ q }}, please")
    enough = work(start_run(cast.ada, other, judged, baseline=None, budget=Budget(requests=20)))
    assert (enough.state, enough.spent_requests) == ("finished", 20)


def test_retry__with_money_where_a_price_is_not_known__is_refused_and_changes_nothing(
    cast: Cast, provider: ScriptedProvider
):
    run = work(_started(cast, Budget(requests=7)))
    with pytest.raises(Invalid, match="price"), transaction.atomic():
        retry_errors(cast.ada, run, budget=Budget(cost=Decimal(1)))
    run.refresh_from_db()
    assert (run.state, run.budget_requests) == ("error", 7)


def test_default_budget__holds_for_runs_that_name_none_and_says_so(cast: Cast, provider: ScriptedProvider):
    set_default_budget(cast.olga, Budget(requests=7))
    stopped = work(_started(cast, Budget()))
    assert (stopped.state, stopped.spent_requests, stopped.is_default_budget) == ("error", 7, True)
    assert "the workspace's default budget of 7 requests" in stopped.summary and "under Usage" in stopped.summary
    ended = work(retry_errors(cast.ada, stopped, budget=Budget(requests=20)))
    assert (ended.state, ended.is_default_budget) == ("finished", False)

    named = start_run(cast.ada, stopped.candidate, stopped.suite_version.suite, baseline=None, again=True, config={},
                      budget=Budget(requests=30))  # fmt: skip
    assert (named.budget_requests, named.is_default_budget) == (30, False)
    set_default_budget(cast.olga, Budget())
    free = start_run(cast.ada, stopped.candidate, stopped.suite_version.suite, baseline=None, config={"seed": 1})
    assert not free.has_budget


@pytest.mark.parametrize("enlarged", [Budget(requests=20), Budget()])
def test_default_budget__that_stopped_a_run__is_that_of_now_when_it_goes_on(
    cast: Cast, provider: ScriptedProvider, enlarged: Budget
):
    set_default_budget(cast.olga, Budget(requests=7))
    stopped = work(_started(cast, Budget()))
    assert (stopped.state, stopped.spent_requests) == ("error", 7)
    set_default_budget(cast.olga, enlarged)
    ended = work(start_run(cast.ada, stopped.candidate, stopped.suite_version.suite, baseline=None))
    assert (ended, ended.state) == (stopped, "finished")
    assert (ended.budget_requests, ended.is_default_budget) == (enlarged.requests, True)


def test_default_budget__of_money_that_cannot_be_kept__is_said_by_the_run_or_by_its_check(
    cast: Cast, provider: ScriptedProvider
):
    prompt = builders.prompt(cast.ada, text="{{ q }}")
    asked = suite(cast.ada, of=cases(60))
    attach_suite(cast.ada, asked, prompt, required=True)
    set_default_budget(cast.olga, Budget(cost=Decimal(1)))
    with pytest.raises(Invalid) as refused:
        start_run(cast.ada, prompt.versions.get(), asked, baseline=None)
    assert "default budget" in refused.value.errors[0].message and "Usage" in refused.value.errors[0].message
    version = builders.version(cast.ada, prompt, "new {{ q }}")
    assert start_runs_for_version(version.pk) == 0
    check = VersionCheck.objects.filter(digest=version.digest).latest("pk")
    assert check.state == "error" and "default budget" in check.summary


def test_default_budget__is_an_admins_to_set_and_leaves_one_event(cast: Cast):
    with pytest.raises(Forbidden):
        set_default_budget(cast.ada, Budget(requests=1))
    set_default_budget(cast.olga, Budget(cost=Decimal("2.5"), requests=10))
    set_default_budget(cast.olga, Budget(cost=Decimal("2.5"), requests=10))
    event = AuditEvent.objects.get(event="budget.changed")
    assert '"cost":"2.5"' in event.detail.replace(" ", "")
    api = Api(cast.olga)
    assert api.get("usage/budget").json == {"cost": 2.5, "requests": 10}
    assert api.put("usage/budget", {"budget": {"requests": 5}}).json == {"cost": None, "requests": 5}
    assert api.put("usage/budget", {"budget": {"requests": 0}}).status == 422
    assert api.put("usage/budget", {"budget": None}).json == {"cost": None, "requests": None}
    assert Api(cast.ada).put("usage/budget", {"budget": None}).status == 403


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
