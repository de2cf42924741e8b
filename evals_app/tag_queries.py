"""A run's pass rates by tag, what got worse the most first."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from django.db import connection

from evals_app.case_counts import PREFIXES, Numbers, added_of
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
_TAGGED = """
  SELECT tag, array_agg(id) FROM evals_app_case, unnest(tags) AS tag WHERE suite_version_id = %(suite)s GROUP BY tag
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
    """Pass rates by tag, the greatest loss first, where nothing is compared the lowest rate; two queries.

    Each case counts once however often it was asked, and for each of its tags.
    """
    if tallies := added_of(run):
        lines = sorted(_added_lines(run, tallies), key=_loss)
        return TagReport(tuple(lines[offset : offset + limit]), len(lines))
    with connection.cursor() as cursor:
        cursor.execute(_BY_TAG, {"run": run.pk, "suite": run.suite_version_id, "limit": limit, "offset": offset})
        rows = cursor.fetchall()
    return TagReport(tuple(TagLine(*row[:5]) for row in rows), rows[0][5] if rows else 0)


def _added_lines(run: Run, tallies: Mapping[str, list[Numbers]]) -> list[TagLine]:
    """Every tag, from what was added up when the run ended."""
    with connection.cursor() as cursor:
        cursor.execute(_TAGGED, {"suite": run.suite_version_id})
        tagged = [(tag, np.asarray(cases, np.int64)) for tag, cases in cursor.fetchall()]
    found = []
    for tag, cases in tagged:
        (new, new_errors), (base, base_errors) = (_rate(tallies.get(arm), cases) for arm in PREFIXES.values())
        found.append(TagLine(tag, len(cases), new, base, new_errors + base_errors))
    return found


def _rate(tally: list[Numbers] | None, cases: Numbers) -> tuple[float | None, int]:
    """The mean over those of the cases that were answered, None for none, and how many of their answers are errors."""
    if tally is None:
        return None, 0
    asked, answers, passed, errors = tally
    of_these = np.isin(asked, cases)
    answered = (answers - errors)[of_these]
    is_answered = answered > 0
    rates = passed[of_these][is_answered] / answered[is_answered]
    return float(rates.mean()) if len(rates) else None, int(errors[of_these].sum())


def _loss(line: TagLine) -> tuple[float, float, str]:
    """The greatest loss first, then the lowest rate; what is not known last."""
    return (
        math.inf if line.delta is None else line.delta,
        math.inf if line.new is None else line.new,
        line.tag,
    )


def tags_with_counts(suite_version_id: int) -> tuple[tuple[str, int], ...]:
    """Each tag of a suite version with its number of cases, by name; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_TAGS, {"suite": suite_version_id})
        return tuple((tag, count) for tag, count in cursor.fetchall())
