"""The response cache: the results themselves, found by what was asked. Read by runs that post no check, filled by all.

Nothing is stored twice, so it is as large as the results that are kept anyway; errors and copies are never taken from it.
"""

import json
from collections.abc import Iterable
from datetime import timedelta

from django.db.models.functions import Now

from evals_app.engine.asking import Ask, Outcome
from evals_app.models import Result
from evals_app.providers.talk import Answer

LASTS = timedelta(days=30)


def known(workspace_id: int, asks: Iterable[Ask]) -> dict[Ask, Outcome]:
    """Of these questions those that the workspace's runs were answered in the last 30 days, by the newest answer; one query."""
    wanted = {ask.ways[0].digest: ask for ask in asks}
    rows = Result.objects.filter(request_digest__in=list(wanted), error="", is_cached=False).exclude(request_digest="")
    rows = rows.filter(run__workspace=workspace_id, created_at__gt=Now() - LASTS).order_by("pk")
    names = ("request_digest", "output", "tool_calls", "input_tokens", "output_tokens", "latency_ms")
    found: dict[Ask, Outcome] = {}
    for digest, output, tool_calls, input_tokens, output_tokens, latency_ms in rows.values_list(*names):
        ask = wanted[digest]
        answer = Answer(output, input_tokens, output_tokens, latency_ms or 0, tuple(json.loads(tool_calls)))
        found[ask] = Outcome(ask, ask.ways[0], answer=answer, is_cached=True)
    return found
