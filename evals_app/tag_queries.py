"""A run's pass rates by tag, what got worse the most first."""

from dataclasses import dataclass

from django.db import connection

from evals_app.models import Run

SHOWN = 8
PER_PAGE = 50

_BY_TAG = """
  WITH answered AS (
    SELECT case_id, arm, avg(is_passed::int) FILTER (WHERE error = '') AS rate, count(*) FILTER (WHERE error <> '') AS errors
    FROM evals_app_result WHERE run_id = %(run)s GROUP BY case_id, arm
  ), tagged AS (
    SELECT id, unnest(tags) AS tag FROM evals_app_case WHERE suite_version_id = %(suite)s
  ), found AS (
    SELECT t.tag, count(DISTINCT t.id) AS cases,
           avg(a.rate) FILTER (WHERE a.arm = 'candidate') AS new, avg(a.rate) FILTER (WHERE a.arm = 'baseline') AS base,
           coalesce(sum(a.errors), 0)::int AS errors
    FROM tagged t LEFT JOIN answered a ON a.case_id = t.id GROUP BY t.tag
  )
  SELECT tag, cases, new::float8, base::float8, errors, count(*) OVER () FROM found
  ORDER BY new - base NULLS LAST, new NULLS LAST, tag LIMIT %(limit)s OFFSET %(offset)s
"""
_TAGS = """
  SELECT tag, count(*) FROM evals_app_case, unnest(tags) AS tag
  WHERE suite_version_id = %(suite)s GROUP BY tag ORDER BY tag
"""


@dataclass(frozen=True)
class TagLine:
    """The cases of one tag: mean pass rates of both versions, None where no answer came; `errors` are answers."""

    tag: str
    cases: int
    new: float | None
    base: float | None
    errors: int

    @property
    def delta(self) -> float | None:
        """How much better the candidate is."""
        return None if self.new is None or self.base is None else self.new - self.base


@dataclass(frozen=True)
class TagReport:
    """Some of the tags of a run, and how many there are."""

    lines: tuple[TagLine, ...]
    count: int

    @property
    def hidden(self) -> int:
        """How many tags are not among the lines."""
        return self.count - len(self.lines)


def tag_report(run: Run, *, limit: int = SHOWN, offset: int = 0) -> TagReport:
    """Pass rates by tag, the greatest loss first, where nothing is compared the lowest rate; one query.

    Each case counts once however often it was asked, and for each of its tags.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BY_TAG, {"run": run.pk, "suite": run.suite_version_id, "limit": limit, "offset": offset})
        rows = cursor.fetchall()
    return TagReport(tuple(TagLine(*row[:5]) for row in rows), rows[0][5] if rows else 0)


def tags_with_counts(suite_version_id: int) -> tuple[tuple[str, int], ...]:
    """Each tag of a suite version with its number of cases, by name; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_TAGS, {"suite": suite_version_id})
        return tuple((tag, count) for tag, count in cursor.fetchall())
