"""What two arms have in common, counted by the database: flips, scores case by case, cost and latency.

Every statement begins with the same pairing: the cases that both suite versions ask in the same words. Ended runs of one
suite version are compared from what was added up when they ended; nothing of that is read here but its numbers.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db import connection

from evals_app.model_settings import ModelSettings
from evals_app.models import Arm, Case, Run
from evals_app.tallies import Pairs, Tally, bins_of, pair, paired_scores, tally_of
from prompts_app.models import PromptVersion

type Value = str | int | float | list[str] | list[float]

QUANTILES = (0.5, 0.9, 0.99)
BINS = 20  # of a histogram; what lies beyond its end is in one more

# Sides meet by grouping, never by joining: a run that has just ended is not in the planner's statistics yet, and a join
# of its sides would be planned for one row and take minutes for thirty thousand.
_ALIKE = """
  answered AS (
    SELECT r.case_id AS pair, (r.run_id = %(new_run)s AND r.arm = %(new_arm)s) AS is_new, true AS is_paired,
           r.case_id, r.is_passed, r.error, r.scores, r.cost, r.latency_ms, r.is_cached
    FROM evals_app_result r
    WHERE (r.run_id = %(new_run)s AND r.arm = %(new_arm)s) OR (r.run_id = %(old_run)s AND r.arm = %(old_arm)s)
  )
"""
_UNLIKE = """
  told AS (
    SELECT hashtextextended(c.key || c.content, 0) AS pair, (r.run_id = %(new_run)s AND r.arm = %(new_arm)s) AS is_new,
           r.case_id, r.is_passed, r.error, r.scores, r.cost, r.latency_ms, r.is_cached
    FROM evals_app_result r JOIN evals_app_case c ON c.id = r.case_id
    WHERE (r.run_id = %(new_run)s AND r.arm = %(new_arm)s) OR (r.run_id = %(old_run)s AND r.arm = %(old_arm)s)
  ), answered AS (
    SELECT *, bool_or(is_new) OVER (PARTITION BY pair) AND bool_or(NOT is_new) OVER (PARTITION BY pair) AS is_paired
    FROM told
  )
"""
_PAIRED = """
  , sides AS (
    SELECT max(case_id) FILTER (WHERE is_new) AS new_case, max(case_id) FILTER (WHERE NOT is_new) AS old_case,
      count(*) FILTER (WHERE is_new) AS new_answers, count(*) FILTER (WHERE NOT is_new) AS old_answers,
      count(*) FILTER (WHERE is_new AND is_passed) AS new_passed,
      count(*) FILTER (WHERE NOT is_new AND is_passed) AS old_passed,
      count(*) FILTER (WHERE error <> '') AS errors
    FROM answered GROUP BY pair
  ), paired AS (
    SELECT *, CASE
        WHEN errors > 0 THEN 'error'
        WHEN new_passed >= %(new_repeats)s AND old_passed < old_answers THEN 'better'
        WHEN old_passed >= %(old_repeats)s AND new_passed < new_answers THEN 'worse'
        WHEN new_passed >= %(new_repeats)s THEN 'passed'
        ELSE 'failed'
      END AS flip
    FROM sides WHERE new_answers > 0 AND old_answers > 0
  )
"""
_MEANS = """
  , means AS (
    SELECT s.name, max(case_id) FILTER (WHERE is_new) AS new_case,
           avg(s.score) FILTER (WHERE is_new) AS new, avg(s.score) FILTER (WHERE NOT is_new) AS old
    FROM answered a CROSS JOIN LATERAL (
      SELECT %(passes)s AS name, a.is_passed::int::float8 AS score
      UNION ALL SELECT e->>'name', (e->>'score')::float8 FROM json_array_elements(a.scores::json) e
    ) s
    WHERE a.error = '' GROUP BY s.name, a.pair
  )
"""
_VALUES = """
  , measured AS (
    SELECT is_new, measure, value
    FROM answered CROSS JOIN LATERAL (VALUES ('cost', cost::float8), ('latency', latency_ms::float8)) m (measure, value)
    WHERE is_paired AND error = '' AND NOT is_cached
  )
"""
_FLIP_COUNTS = "SELECT flip, count(*) FROM paired GROUP BY flip"
_FLIPPED = """
  SELECT n.key, n.position, o.position, n.is_critical, new_case, old_case,
         new_passed, new_answers, old_passed, old_answers, flip
  FROM paired JOIN evals_app_case n ON n.id = new_case JOIN evals_app_case o ON o.id = old_case
  WHERE flip = ANY(%(flips)s) AND n.position > %(after)s
  ORDER BY n.position LIMIT %(limit)s OFFSET %(offset)s
"""
_SCORES = """
  SELECT name, avg(new), avg(old), array_agg(new - old ORDER BY new_case), array_agg(new_case ORDER BY new_case),
         bool_and(new IN (0, 1) AND old IN (0, 1))
  FROM means WHERE new IS NOT NULL AND old IS NOT NULL GROUP BY name
"""
_SPREADS = """
  SELECT measure, is_new, count(*), count(*) - count(value), sum(value),
         percentile_cont(%(quantiles)s::float8[]) WITHIN GROUP (ORDER BY value)
  FROM measured GROUP BY measure, is_new
"""
_HISTOGRAM = """
  SELECT measure, is_new, width_bucket(value, 0, top, %(bins)s), count(*)
  FROM measured JOIN unnest(%(measures)s::text[], %(tops)s::float8[]) AS t (measure, top) USING (measure)
  WHERE value IS NOT NULL GROUP BY 1, 2, 3
"""
_COMMON = """
  SELECT count(*) FROM (
    SELECT 1 FROM evals_app_case WHERE suite_version_id IN (%(new_suite)s, %(old_suite)s)
    GROUP BY key, content HAVING count(*) = 2
  ) alike
"""


@dataclass(frozen=True)
class RunArm:
    """One version's answers in one run; prompt, versions and suite version of the run must be loaded."""

    run: Run
    arm: Arm = Arm.CANDIDATE

    @property
    def version(self) -> PromptVersion:
        """The version that answered."""
        version = self.run.candidate if self.arm == Arm.CANDIDATE else self.run.baseline
        assert version is not None
        return version

    @property
    def settings(self) -> ModelSettings:
        """What it was asked with."""
        is_candidate = self.arm == Arm.CANDIDATE
        text = self.run.candidate_settings if is_candidate else self.run.baseline_settings
        return ModelSettings.from_json(json.loads(text))

    @cached_property
    def tally(self) -> Tally | None:
        """What was added up when its run ended."""
        return tally_of(self.run, self.arm)


@dataclass(frozen=True)
class FlipRow:
    """A case on which two arms differ: how many answers of each passed, and its place in each suite version."""

    key: str
    position: int
    old_position: int
    is_critical: bool
    new_case: int
    old_case: int
    new_passed: int
    new_answers: int
    old_passed: int
    old_answers: int
    flip: str


@dataclass(frozen=True)
class ScoreRow:
    """One metric over the cases both arms answered; `deltas` are new minus old, in the order of the newer's `cases`."""

    name: str
    mean_new: float
    mean_old: float
    deltas: tuple[float, ...]
    cases: tuple[int, ...]
    is_single: bool


@dataclass(frozen=True)
class Spread:
    """Cost or latency of one side: how many answers were asked for, how many have no value, and the others in quantiles."""

    answers: int = 0
    unknown: int = 0
    total: float | None = None
    median: float | None = None
    p90: float | None = None
    p99: float | None = None


def flip_counts(old: RunArm, new: RunArm) -> dict[str, int]:
    """How many common cases got `better`, `worse`, stayed `passed` or `failed`, or have an `error`; one query."""
    pairs = _pairs(old, new)
    found = Counter(pairs.flips.tolist()) if pairs else dict(_rows(old, new, _PAIRED, _FLIP_COUNTS))
    return {kind: int(found.get(kind, 0)) for kind in ("better", "worse", "passed", "failed", "error")}


def flipped(
    old: RunArm, new: RunArm, *, which: str = "", limit: int, offset: int = 0, after: int = -1
) -> list[FlipRow]:
    """Flipped cases in the order of the newer suite version, only `better` or `worse` where asked; one query."""
    flips = [which] if which else ["better", "worse"]
    pairs = _pairs(old, new)
    if pairs:
        return _flipped(pairs, flips, limit=limit, offset=offset, after=after)
    rows = _rows(old, new, _PAIRED, _FLIPPED, flips=flips, limit=limit, offset=offset, after=after)
    return [FlipRow(*row) for row in rows]


def score_rows(old: RunArm, new: RunArm, *, passes: str) -> list[ScoreRow]:
    """Every metric that both arms have, `passes` being the one over all scorers; one query, one float a case and metric."""
    both = _tallies(old, new)
    if both:
        return [
            ScoreRow(
                name,
                float(now.mean()),
                float(then.mean()),
                tuple((now - then).tolist()),
                tuple(cases.tolist()),
                bool(np.isin(now, (0, 1)).all() and np.isin(then, (0, 1)).all()),
            )
            for name, (cases, then, now) in paired_scores(*both).items()
        ]
    rows = _rows(old, new, _MEANS, _SCORES, passes=passes)
    return [ScoreRow(name, mean_new, mean_old, tuple(d), tuple(k), one) for name, mean_new, mean_old, d, k, one in rows]


def spreads(old: RunArm, new: RunArm) -> dict[tuple[str, bool], Spread]:
    """Cost and latency of both sides in quantiles, by measure and whether it is the new side; one query."""
    both = _tallies(old, new)
    if both:
        sides = [(name, is_new, side) for name in ("cost", "latency") for is_new, side in enumerate(both)]
        return {(name, bool(is_new)): _spread(side, name) for name, is_new, side in sides if side.measured}
    return {
        (measure, is_new): Spread(answers, unknown, total, *(quantiles or ()))
        for measure, is_new, answers, unknown, total, quantiles in _rows(
            old, new, _VALUES, _SPREADS, quantiles=list(QUANTILES)
        )
    }


def histogram(old: RunArm, new: RunArm, *, tops: Mapping[str, float]) -> dict[tuple[str, bool], tuple[int, ...]]:
    """Answers by bin, from 0 to the top of the measure, one more bin for what lies above it; one query."""
    both = _tallies(old, new)
    if both:
        sides = [(name, is_new, side.values[name]) for name in tops for is_new, side in enumerate(both)]
        return {(name, bool(n)): bins_of(values, tops[name], BINS) for name, n, values in sides if len(values)}
    counts: dict[tuple[str, bool], list[int]] = {}
    rows = _rows(old, new, _VALUES, _HISTOGRAM, measures=list(tops), tops=list(tops.values()), bins=BINS)
    for measure, is_new, number, count in rows:
        counts.setdefault((measure, is_new), [0] * (BINS + 1))[number - 1] += count
    return {place: tuple(numbers) for place, numbers in counts.items()}


def common_count(old: RunArm, new: RunArm) -> int:
    """How many cases both suite versions ask in the same words; no query where they are one."""
    if old.run.suite_version_id == new.run.suite_version_id:
        return new.run.suite_version.case_count
    suites = {"new_suite": new.run.suite_version_id, "old_suite": old.run.suite_version_id}
    with connection.cursor() as cursor:
        cursor.execute(_COMMON, suites)
        [(count,)] = cursor.fetchall()
    return int(count)


def _tallies(old: RunArm, new: RunArm) -> tuple[Tally, Tally] | None:
    """Both sides as they were added up; None where either was not, and where the suite changed between them."""
    if old.run.suite_version_id != new.run.suite_version_id or old.tally is None or new.tally is None:
        return None
    return old.tally, new.tally


def _pairs(old: RunArm, new: RunArm) -> Pairs | None:
    both = _tallies(old, new)
    return pair(*both, old_repeats=old.run.repeats, new_repeats=new.run.repeats) if both else None


def _flipped(pairs: Pairs, flips: list[str], *, limit: int, offset: int, after: int) -> list[FlipRow]:
    at = np.flatnonzero(np.isin(pairs.flips, flips))
    place = dict(zip(pairs.cases[at].tolist(), at.tolist(), strict=True))
    cases = Case.objects.filter(pk__in=list(place), position__gt=after).order_by("position")[offset : offset + limit]
    columns = (pairs.new_passed, pairs.new_answers, pairs.old_passed, pairs.old_answers)
    rows = []
    for pk, key, position, is_critical in cases.values_list("pk", "key", "position", "is_critical"):
        new_passed, new_answers, old_passed, old_answers = (int(column[place[pk]]) for column in columns)
        flip = str(pairs.flips[place[pk]])
        counts = (new_passed, new_answers, old_passed, old_answers)
        rows.append(FlipRow(key, position, position, is_critical, pk, pk, *counts, flip))
    return rows


def _spread(side: Tally, measure: str) -> Spread:
    values = side.values[measure]
    if not len(values):
        return Spread(side.measured, side.measured)
    return Spread(
        side.measured, side.measured - len(values), float(values.sum()), *np.quantile(values, QUANTILES).tolist()
    )


def _rows(old: RunArm, new: RunArm, tables: str, select: str, **params: Value) -> list[tuple[Any, ...]]:
    answered = _ALIKE if old.run.suite_version_id == new.run.suite_version_id else _UNLIKE
    sides: dict[str, Value] = {
        "new_run": new.run.pk,
        "new_arm": str(new.arm),
        "new_repeats": new.run.repeats,
        "old_run": old.run.pk,
        "old_arm": str(old.arm),
        "old_repeats": old.run.repeats,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {answered} {tables} {select}", sides | params)
        return list(cursor.fetchall())
