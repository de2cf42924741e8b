"""The response cache: answers and judges' replies themselves, found by what was asked. Runs that post no check read it.

All runs fill it, and nothing is stored twice, so it is as large as what is kept anyway; errors and copies are never taken.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from django.db import connection

from evals_app.engine.asking import Ask, Outcome
from evals_app.models import JudgeReply, Result
from evals_app.providers.talk import Answer

LASTS = timedelta(days=30)

# By index, digest by digest: left to itself the planner may read all results of the workspace's runs instead.
_KNOWN = """
WITH found AS MATERIALIZED (
    SELECT result.* FROM unnest(%(digests)s::text[]) AS wanted (digest)
    CROSS JOIN LATERAL (
        SELECT id, run_id, created_at, request_digest, output, {calls} AS tool_calls, input_tokens, output_tokens, latency_ms,
            {reason} AS finish_reason, {perplexity} AS perplexity
        FROM {table}
        WHERE request_digest = wanted.digest AND request_digest <> '' AND error = '' AND NOT is_cached OFFSET 0
    ) result
)
SELECT request_digest, output, tool_calls, found.input_tokens, found.output_tokens, latency_ms, finish_reason, perplexity
FROM found JOIN evals_app_run run ON run.id = found.run_id
WHERE run.workspace_id = %(workspace)s AND found.created_at > statement_timestamp() - make_interval(secs => %(lasts)s)
ORDER BY found.id
"""


def known[A: Ask](
    workspace_id: int, asks: Iterable[A], *, of: type[Result] | type[JudgeReply] = Result
) -> dict[A, Outcome]:
    """Of these questions those that the workspace's runs had answered in the last 30 days, by the newest; one query."""
    wanted: dict[str, list[A]] = defaultdict(list)
    for ask in asks:
        wanted[ask.ways[0].digest].append(ask)
    told = ("tool_calls", "finish_reason", "perplexity") if of is Result else ("'[]'", "''", "NULL::float8")
    names = dict(zip(("calls", "reason", "perplexity"), told, strict=True))
    statement = _KNOWN.format(table=connection.ops.quote_name(of._meta.db_table), **names)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"digests": list(wanted), "workspace": workspace_id, "lasts": LASTS.total_seconds()})
        rows = cursor.fetchall()
    found: dict[A, Outcome] = {}
    for digest, output, tool_calls, read, written, latency_ms, reason, perplexity in rows:
        answer = Answer(output, read, written, latency_ms or 0, tuple(json.loads(tool_calls)), reason, perplexity)
        for ask in wanted[digest]:
            found[ask] = Outcome(ask, ask.ways[0], answer=answer, is_cached=True)
    return found
