"""Numbers of runs and providers for whoever operates the registry."""

import redis
from django.db.models import Count, Sum

from evals_app.models import Provider, Run, RunChunk
from evals_app.models.run import OPEN_STATES
from evals_app.providers.limits import key_of
from registry.core import valkey
from registry.core.metrics import Family


def run_families() -> list[Family]:
    """Open runs by state, what became of their cases so far, and providers whose breaker is open. Three queries."""
    runs = Family("greenroom_runs_open", "gauge", "Runs that have not ended, by state.")
    counted = dict(Run.objects.open().order_by().values_list("state").annotate(Count("pk")))
    for state in OPEN_STATES:
        runs.add(counted.get(state, 0), state=str(state))
    cases = Family("greenroom_run_questions_open", "gauge", "Questions of open runs: all, answered, and failed.")
    told = RunChunk.objects.filter(run__state__in=OPEN_STATES).aggregate(
        all=Sum("total"), done=Sum("done"), failed=Sum("errors")
    )
    for outcome, count in told.items():
        cases.add(count or 0, outcome=outcome)
    return [runs, cases, *_breakers()]


def _breakers() -> list[Family]:
    is_open = Family(
        "greenroom_provider_breaker_open", "gauge", "1 while nobody asks the provider, since it failed too often."
    )
    failures = Family("greenroom_provider_failures_in_a_row", "gauge", "Failures since the provider last answered.")
    providers = Provider.objects.order_by("pk").values_list("pk", "name", "workspace__slug")
    reached = Family("greenroom_valkey_up", "gauge", "1 while Valkey answers this process.")
    try:
        with valkey.circuit.asking(), valkey.client().pipeline(transaction=False) as asked:
            asked.ping()
            for pk, _, _ in providers:
                asked.hmget(key_of(pk, "breaker"), "failures", "until")
            _, *told = asked.execute()
    except redis.RedisError:
        return [reached.add(0), is_open, failures]
    for (_, name, workspace), (count, until) in zip(providers, told, strict=True):
        failures.add(int(count or 0), provider=name, workspace=workspace)
        is_open.add(int(until is not None), provider=name, workspace=workspace)
    return [reached.add(1), is_open, failures]
