"""Comparing from what was added up when runs ended: the same numbers as counting their answers, without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from evals_app.models import Arm, ArmScore, ArmTally, Run
from evals_app.scorers.spec import PASSES

type Numbers = NDArray[Any]

_TALLY = """
  INSERT INTO evals_app_armtally (run_id, arm, cases, answers, passed, errors, measured, latencies, costs)
  SELECT run_id, arm, array_agg(case_id ORDER BY case_id), array_agg(answers ORDER BY case_id),
         array_agg(passed ORDER BY case_id), array_agg(errors ORDER BY case_id), sum(measured), '{}', '{}'
  FROM (
    SELECT run_id, arm, case_id, count(*) AS answers, count(*) FILTER (WHERE is_passed) AS passed,
           count(*) FILTER (WHERE error <> '') AS errors, count(*) FILTER (WHERE error = '' AND NOT is_cached) AS measured
    FROM evals_app_result WHERE run_id = %(run)s GROUP BY run_id, arm, case_id
  ) cases GROUP BY run_id, arm
"""
_MEASURES = """
  UPDATE evals_app_armtally t SET latencies = m.latencies, costs = m.costs FROM (
    SELECT run_id, arm,
      coalesce(array_agg(latency_ms::float8 ORDER BY latency_ms) FILTER (WHERE latency_ms IS NOT NULL), '{}') AS latencies,
      coalesce(array_agg(cost::float8 ORDER BY cost) FILTER (WHERE cost IS NOT NULL), '{}') AS costs
    FROM evals_app_result WHERE run_id = %(run)s AND error = '' AND NOT is_cached GROUP BY run_id, arm
  ) m WHERE t.run_id = m.run_id AND t.arm = m.arm
"""
_SCORES = """
  INSERT INTO evals_app_armscore (run_id, arm, name, cases, means)
  SELECT run_id, arm, name, array_agg(case_id ORDER BY case_id), array_agg(mean ORDER BY case_id)
  FROM (
    SELECT run_id, arm, case_id, s.name, avg(s.score) AS mean
    FROM evals_app_result r CROSS JOIN LATERAL (
      SELECT %(passes)s AS name, r.is_passed::int::float8 AS score
      UNION ALL SELECT e->>'name', (e->>'score')::float8 FROM json_array_elements(r.scores::json) e
    ) s
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


def write_tallies(run: Run) -> None:
    """Add up what a run that ends was answered, once more where it had ended before; five queries."""
    ArmTally.objects.filter(run=run).delete()
    ArmScore.objects.filter(run=run).delete()
    with connection.cursor() as cursor:
        for statement in (_TALLY, _MEASURES, _SCORES):
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
