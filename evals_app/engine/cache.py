"""The response cache: the results themselves, found by what was asked. Read by runs that post no check, filled by all.

Nothing is stored twice, so it is as large as the results that are kept anyway; errors and copies are never taken from it.
"""

import json
from collections.abc import Iterable
from datetime import timedelta

from django.db import connection

from evals_app.engine.asking import Ask, Outcome
from evals_app.providers.talk import Answer

LASTS = timedelta(days=30)

# By index, digest by digest: left to itself the planner may read all results of the workspace's runs instead.
_KNOWN = """
WITH found AS MATERIALIZED (
    SELECT result.* FROM unnest(%(digests)s::text[]) AS wanted (digest)
    CROSS JOIN LATERAL (
        SELECT id, run_id, created_at, request_digest, output, tool_calls, input_tokens, output_tokens, latency_ms
        FROM evals_app_result
        WHERE request_digest = wanted.digest AND request_digest <> '' AND error = '' AND NOT is_cached OFFSET 0
    ) result
)
SELECT request_digest, output, tool_calls, found.input_tokens, found.output_tokens, latency_ms
FROM found JOIN evals_app_run run ON run.id = found.run_id
WHERE run.workspace_id = %(workspace)s AND found.created_at > statement_timestamp() - make_interval(secs => %(lasts)s)
ORDER BY found.id
"""


def known(workspace_id: int, asks: Iterable[Ask]) -> dict[Ask, Outcome]:
    """Of these questions those that the workspace's runs were answered in the last 30 days, by the newest answer; one query."""
    wanted = {ask.ways[0].digest: ask for ask in asks}
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, {"digests": list(wanted), "workspace": workspace_id, "lasts": LASTS.total_seconds()})
        rows = cursor.fetchall()
    found: dict[Ask, Outcome] = {}
    for digest, output, tool_calls, input_tokens, output_tokens, latency_ms in rows:
        ask = wanted[digest]
        answer = Answer(output, input_tokens, output_tokens, latency_ms or 0, tuple(json.loads(tool_calls)))
        found[ask] = Outcome(ask, ask.ways[0], answer=answer, is_cached=True)
    return found
