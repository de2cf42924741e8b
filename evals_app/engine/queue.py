"""Which waiting chunk is worked on next: the database decides, whatever message woke the worker."""

import secrets

from django.db import connection

from evals_app.models import RunChunk
from registry.core import jobs

CANDIDATES = 8

# By index the few that come first of each workspace. Of these: runs that gates wait for, then the workspace with the
# least under way, among equals by lot (by age a long queue of short chunks, of which none is ever seen under way,
# would keep everybody else waiting), then who came first; before all of them what its worker has lost.
_WAITING = """
SELECT id FROM (
    SELECT chunk.id, chunk.priority, busy.chunks, hashint8extended(workspace.id, %(lot)s) AS lot FROM core_workspace workspace
    CROSS JOIN LATERAL (
        SELECT id, priority FROM evals_app_runchunk
        WHERE workspace_id = workspace.id AND state = 'queued' AND not_before <= statement_timestamp()
        ORDER BY priority, id LIMIT %(few)s
    ) chunk
    CROSS JOIN LATERAL (
        SELECT count(*) AS chunks FROM evals_app_runchunk
        WHERE workspace_id = workspace.id AND state = 'running' AND lease_until >= statement_timestamp()
    ) busy
    UNION ALL
    SELECT id, priority, -1, 0 FROM evals_app_runchunk WHERE state = 'running' AND lease_until < statement_timestamp()
) waiting
ORDER BY priority, chunks, lot, id LIMIT %(few)s
"""


def waiting() -> list[int]:
    """The chunks that are next, best first; one query, a few index entries for each workspace."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"few": CANDIDATES, "lot": secrets.randbits(62)})
        return [pk for (pk,) in cursor.fetchall()]


def claim_next(*, owner: str, lease_s: float) -> RunChunk | None:
    """Takes the best chunk that nobody else takes meanwhile; None where nothing waits."""
    for pk in waiting():
        chunk = jobs.claim(RunChunk, pk, owner=owner, lease_s=lease_s)
        if chunk is not None:
            return chunk
    return None
