"""What would end an inconclusive verdict: about how many more cases, or how many answers to each.

The numbers seen so far are taken to go on as they are: as many times the cases shrink all of the uncertainty, as many times
the answers only the part that comes from answers of the same case differing from each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from evals_app import verdict_words as words
from evals_app.bounds import measure_difference, measure_score
from evals_app.stats import Interval
from evals_app.verdict_rules import COMPARING, CaseScores, Decision, Rule

MOST_TIMES = 64.0  # as many times the cases are tried
MOST_REPEATS = 20  # as many answers a suite may ask for by case


def what_settles(cases: Sequence[CaseScores], rule: Rule, decision: Decision) -> str:
    """A sentence or two for an inconclusive decision."""
    if rule.mode == "superior" and decision.mode == "superior":
        if rule.barred:
            return rule.barred
        if (decision.delta or 0.0) < rule.asked_gain and decision.bounds is not None and decision.bounds.lower > 0:
            return words.GAIN_TOO_SMALL
    is_difference = decision.mode in COMPARING
    measured = (measure_difference if is_difference else measure_score)(cases, rule)
    line = decision.line or 0.0

    def decides(bounds: Interval) -> bool:
        return bounds.lower >= line or bounds.upper < line

    more = _more_cases(lambda times: decides(measured.bounds(cases=times)), len(cases))
    asked = min(len(side) for case in cases for side in (case.new, case.base) if side)
    repeats = None if measured.noise is None else _more_answers(lambda m: decides(measured.bounds(answers=m)), asked)
    return words.settle(more, repeats, is_single=asked == 1)


def _more_cases(decides: Callable[[float], bool], n: int) -> int | None:
    """About how many more cases like these would decide; None when even 64 times as many would not."""
    if not decides(MOST_TIMES):
        return None
    low, high = 1.0, MOST_TIMES
    while high - low > 0.5 / n:
        middle = (low + high) / 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return max(1, math.ceil((high - 1) * n))


def _more_answers(decides: Callable[[float], bool], asked: int) -> int | None:
    """How many answers to each case would decide; None when 20 would not."""
    return next((k for k in range(asked + 1, MOST_REPEATS + 1) if decides(k / asked)), None)
