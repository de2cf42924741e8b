"""Comparing from what was added up when runs ended: the same numbers as counting their answers, without reading them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray

from evals_app.models import Arm, ArmScore, ArmTally, Run, RunChunk
from evals_app.models.run import OPEN_STATES
from evals_app.scorers.spec import PASSES

type Numbers = NDArray[Any]

ADDED_AT_ONCE = 5

_TALLY = """
  INSERT INTO evals_app_armtally (run_id, arm, cases, answers, passed, errors, measured, latencies, costs,
    cached, cost, input_tokens, output_tokens, judge_cost)
  SELECT run_id, arm, array_agg(case_id ORDER BY case_id), array_agg(answers ORDER BY case_id),
         array_agg(passed ORDER BY case_id), array_agg(errors ORDER BY case_id), sum(measured), '{}', '{}',
         sum(cached), sum(cost), sum(input_tokens), sum(output_tokens), sum(judge_cost)
  FROM (
    SELECT run_id, arm, case_id, count(*) AS answers, count(*) FILTER (WHERE is_passed) AS passed,
           count(*) FILTER (WHERE error <> '') AS errors, count(*) FILTER (WHERE error = '' AND NOT is_cached) AS measured,
           count(*) FILTER (WHERE is_cached) AS cached, sum(cost) AS cost, sum(input_tokens) AS input_tokens,
           sum(output_tokens) AS output_tokens, sum(judge_cost) AS judge_cost
    FROM evals_app_result WHERE run_id = %(run)s GROUP BY run_id, arm, case_id
  ) cases GROUP BY run_id, arm
"""
_MEASURES = """
  UPDATE evals_app_armtally t SET latencies = m.latencies, costs = m.costs,
    latency_median = m.quantiles[1], latency_p90 = m.quantiles[2] FROM (
    SELECT run_id, arm,
      coalesce(array_agg(latency_ms::float8 ORDER BY latency_ms) FILTER (WHERE latency_ms IS NOT NULL AND NOT is_cached), '{}')
        AS latencies,
      coalesce(array_agg(cost::float8 ORDER BY cost) FILTER (WHERE cost IS NOT NULL AND NOT is_cached), '{}') AS costs,
      percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY latency_ms) AS quantiles
    FROM evals_app_result WHERE run_id = %(run)s AND error = '' GROUP BY run_id, arm
  ) m WHERE t.run_id = m.run_id AND t.arm = m.arm
"""
_PASSES = """
  INSERT INTO evals_app_armscore (run_id, arm, name, cases, means)
  SELECT run_id, arm, %(passes)s, array_agg(case_id ORDER BY case_id), array_agg(mean ORDER BY case_id)
  FROM (
    SELECT t.run_id, t.arm, c.case_id, c.passed::float8 / (c.answers - c.errors) AS mean
    FROM evals_app_armtally t
    CROSS JOIN LATERAL unnest(t.cases, t.answers, t.passed, t.errors) AS c (case_id, answers, passed, errors)
    WHERE t.run_id = %(run)s AND c.answers > c.errors
  ) cases GROUP BY run_id, arm
"""
_SCORES = """
  INSERT INTO evals_app_armscore (run_id, arm, name, cases, means)
  SELECT run_id, arm, name, array_agg(case_id ORDER BY case_id), array_agg(mean ORDER BY case_id)
  FROM (
    SELECT run_id, arm, case_id, s.name, avg(s.score) AS mean
    FROM evals_app_result r CROSS JOIN LATERAL jsonb_to_recordset(r.scores::jsonb) s (name text, score float8)
    WHERE run_id = %(run)s AND error = '' AND s.score IS NOT NULL GROUP BY run_id, arm, case_id, s.name
  ) cases GROUP BY run_id, arm, name
"""


@dataclass(frozen=True, eq=False)
class Tally:
    """One arm's answers by case; `scores` are cases and means by name."""

    cases: Numbers
    answers: Numbers
    passed: Numbers
    errors: Numbers
    measured: int
    values: Mapping[str, Numbers]
    scores: Mapping[str, tuple[Numbers, Numbers]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The cases that two arms both have answers to, the old one's numbers beside the new one's, with what flipped."""

    cases: Numbers
    old_passed: Numbers
    old_answers: Numbers
    new_passed: Numbers
    new_answers: Numbers
    flips: Numbers


@transaction.atomic
def add_up(run_id: int) -> bool:
    """Add up a run that has ended, unless it was opened again meanwhile. What nobody waits for: until then pages count."""
    run = Run.objects.select_for_update(no_key=True).filter(pk=run_id).exclude(state__in=OPEN_STATES).first()
    if run is not None:
        write_tallies(run)
    return run is not None


def added_up(runs: Iterable[Run]) -> set[int]:
    """Which of these have ended and were added up, sums and all; one query."""
    ended = [run.pk for run in runs if not run.is_open]
    return set(ArmTally.objects.filter(run__in=ended, cached__isnull=False).values_list("run", flat=True))


def not_added_up() -> list[int]:
    """The newest few of the ended runs that have answers and were not added up, or before sums were; one query."""
    added = ArmTally.objects.filter(run=OuterRef("pk"), cached__isnull=False)
    answered = RunChunk.objects.filter(run=OuterRef("pk"), done__gt=0)
    rows = Run.objects.exclude(state__in=OPEN_STATES).filter(~Exists(added), Exists(answered))
    return list(rows.order_by("-pk").values_list("pk", flat=True)[:ADDED_AT_ONCE])


def write_tallies(run: Run) -> None:
    """Add up what a run that ends was answered, once more where it had ended before; six queries."""
    ArmTally.objects.filter(run=run).delete()
    ArmScore.objects.filter(run=run).delete()
    with connection.cursor() as cursor:
        for statement in (_TALLY, _MEASURES, _PASSES, _SCORES):
            cursor.execute(statement, {"run": run.pk, "passes": PASSES})


def tally_of(run: Run, arm: Arm) -> Tally | None:
    """One arm of an ended run; None while it is open, and where nothing was added up. Two queries."""
    row = None if run.is_open else ArmTally.objects.filter(run=run, arm=arm).first()
    if row is None:
        return None
    scores = ArmScore.objects.filter(run=run, arm=arm).values_list("name", "cases", "means")
    return Tally(
        cases=np.asarray(row.cases),
        answers=np.asarray(row.answers),
        passed=np.asarray(row.passed),
        errors=np.asarray(row.errors),
        measured=row.measured,
        values={"latency": np.asarray(row.latencies, float), "cost": np.asarray(row.costs, float)},
        scores={name: (np.asarray(cases), np.asarray(means)) for name, cases, means in scores},
    )


def pair(old: Tally, new: Tally, *, old_repeats: int, new_repeats: int) -> Pairs:
    """Both sides of each case that both answered: better or worse where one passed every repeat and the other did not."""
    cases, at_old, at_new = np.intersect1d(old.cases, new.cases, assume_unique=True, return_indices=True)
    old_passed, old_answers = old.passed[at_old], old.answers[at_old]
    new_passed, new_answers = new.passed[at_new], new.answers[at_new]
    old_all, new_all = old_passed >= old_repeats, new_passed >= new_repeats
    kinds = {
        "error": old.errors[at_old] + new.errors[at_new] > 0,
        "better": new_all & (old_passed < old_answers),
        "worse": old_all & (new_passed < new_answers),
        "passed": new_all,
    }
    flips = np.select(list(kinds.values()), list(kinds), default="failed")
    return Pairs(cases, old_passed, old_answers, new_passed, new_answers, flips)


def paired_scores(old: Tally, new: Tally) -> dict[str, tuple[Numbers, Numbers, Numbers]]:
    """Cases, old means and new means of each score that both have."""
    found = {}
    for name in old.scores.keys() & new.scores.keys():
        (old_cases, old_means), (new_cases, new_means) = old.scores[name], new.scores[name]
        cases, at_old, at_new = np.intersect1d(old_cases, new_cases, assume_unique=True, return_indices=True)
        if len(cases):
            found[name] = (cases, old_means[at_old], new_means[at_new])
    return found


def bins_of(values: Numbers, top: float, bins: int) -> tuple[int, ...]:
    """How many values lie in each of `bins` parts from 0 to `top`, and beyond it in one more."""
    places = np.minimum(np.floor(values * bins / top), bins).astype(int)
    return tuple(np.bincount(places, minlength=bins + 1).tolist())
