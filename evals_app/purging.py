"""What is left of a purged case, and the statements that take texts away where their SHA-256 stays."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.crypto import salted_hmac

from evals_app.models import Case
from registry.core.canonical import JSON
from registry.core.texts import holds

# A case without its question: what verdicts, lists and clusters need of it.
_LEFT = ("key", "tags", "critical", "cluster")

# The names, numbers and verdicts of scores stay; what was compared goes. Without a digest of its request no answer is found
# by the cache again.
_ANSWERS = """
UPDATE evals_app_result SET purge_id = %(purge)s, purged_digest = encode(sha256(convert_to(output || tool_calls, 'UTF8')), 'hex'),
  output = '', tool_calls = '[]', request_digest = '', scores = coalesce((
    SELECT json_agg(json_build_object('name', e->'name', 'score', e->'score', 'passed', e->'passed', 'detail', '') ORDER BY at)::text
    FROM json_array_elements(scores::json) WITH ORDINALITY AS given (e, at)
  ), '[]')
WHERE id = ANY(%(ids)s) AND purge_id IS NULL
"""
_REPLIES = """
UPDATE evals_app_judgereply SET purge_id = %(purge)s, purged_digest = encode(sha256(convert_to(output, 'UTF8')), 'hex'),
  output = '', request_digest = ''
WHERE id = ANY(%(ids)s) AND purge_id IS NULL
"""
_CASES = """
UPDATE evals_app_case SET purge_id = %(purge)s, key = given.key, content = given.content,
  tags = ARRAY(SELECT json_array_elements_text(coalesce(given.content::json->'tags', '[]'::json))),
  purged_digest = CASE WHEN evals_app_case.purge_id IS NULL
    THEN encode(sha256(convert_to(evals_app_case.content, 'UTF8')), 'hex') ELSE evals_app_case.purged_digest END
FROM unnest(%(ids)s::bigint[], %(keys)s::text[], %(contents)s::text[]) AS given (id, key, content)
WHERE evals_app_case.id = given.id
"""


@dataclass(frozen=True)
class Emptied:
    """What is written over a case."""

    pk: int
    key: str
    content: str


def emptied(case: Case, forms: Iterable[str] = ()) -> Emptied:
    """The case without its question; key, tags and cluster go too where they hold the text in one of its forms.

    Cases of one cluster stay one: its name gives way to a keyed hash of it.
    """
    wanted = tuple(forms)
    given = {name: value for name, value in case.to_json().items() if name in _LEFT}
    if wanted and holds(case.key, wanted):
        given["key"] = f"purged-{case.pk}"
    tags = given.get("tags")
    if wanted and isinstance(tags, list):
        given["tags"] = list[JSON](tag for tag in tags if not holds(str(tag), wanted))
    cluster = given.get("cluster")
    if wanted and cluster is not None and holds(str(cluster), wanted):
        given["cluster"] = salted_hmac("greenroom.purged_cluster", str(cluster), algorithm="sha256").hexdigest()[:16]
    return Emptied(case.pk, str(given["key"]), json.dumps(given, ensure_ascii=False))


def empty_answers(purge: int, ids: Sequence[int]) -> int:
    """Take output, tool calls and what scorers said of these answers; how many were not purged before. One statement."""
    return _run(_ANSWERS, purge=purge, ids=list(ids))


def empty_replies(purge: int, ids: Sequence[int]) -> int:
    """Take what judges said; how many were not purged before. One statement."""
    return _run(_REPLIES, purge=purge, ids=list(ids))


def empty_cases(purge: int, cases: Sequence[Emptied]) -> int:
    """Write these over their cases; the table's trigger lets nothing else through. One statement."""
    columns = {name: [getattr(case, name) for case in cases] for name in ("pk", "key", "content")}
    return _run(_CASES, purge=purge, ids=columns["pk"], keys=columns["key"], contents=columns["content"])


def _run(statement: str, **values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        count: int = cursor.rowcount
    return count
