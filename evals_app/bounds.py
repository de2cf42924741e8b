"""The bounds of a metric from its cases: which test applies, and what more cases or more answers would make of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evals_app.stats import Interval, Spread, clustered_spread, t_bounds, tango_bounds, wilson
from evals_app.verdict_rules import CaseScores, Rule, delta, mean


@dataclass(frozen=True, slots=True)
class Counts:
    """Single 0/1 answers of cases on their own: wins and losses against the baseline, or passes in `wins` without one."""

    wins: int
    losses: int
    n: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Enough of the cases to compute bounds, also of more cases like these or of more answers to each.

    Either `counts` (exact small-sample tests: Tango's and Wilson's) or `spread` (Student's t over clusters).
    """

    rule: Rule
    is_difference: bool
    counts: Counts | None
    spread: Spread
    cases: Sequence[CaseScores]

    @property
    def noise(self) -> float | None:
        """The part of the squared error that comes from answers of one case differing; None where single answers cannot tell."""
        return _noise(self.cases, self.rule, with_base=self.is_difference)

    @property
    def is_binary(self) -> bool:
        """Whether lack of variance proves nothing."""
        return self.rule.binary and not (self.is_difference and self.rule.scale == "log_ratio")

    def bounds(self, *, cases: float = 1.0, answers: float = 1.0, level: float | None = None) -> Interval:
        """The bounds, were there as many times the cases, or the answers to each (which needs `noise`)."""
        alpha = self.rule.level if level is None else level
        if self.counts is not None and answers == 1:
            wins, losses, n = self.counts.wins * cases, self.counts.losses * cases, self.counts.n * cases
            return tango_bounds(wins, losses, n, alpha) if self.is_difference else wilson(wins, n, alpha)
        square = self.spread.error**2
        if answers != 1:
            noise = self.noise or 0.0
            square = max(0.0, square - noise) + noise / answers
        spread = Spread(self.spread.mean, math.sqrt(square / cases), self.spread.groups * cases)
        bounds = t_bounds(spread, alpha, binary=self.is_binary)
        if not self.is_binary:
            return bounds
        return Interval(max(-1.0 if self.is_difference else 0.0, bounds.lower), min(1.0, bounds.upper))


def measure_difference(cases: Sequence[CaseScores], rule: Rule) -> Measured:
    """The difference to the baseline; raises StatsError for fewer than two clusters."""
    deltas = [delta(case, rule) for case in cases]
    counts = None
    if rule.scale == "difference" and _are_plain(cases, rule):
        counts = Counts(sum(one > 0 for one in deltas), sum(one < 0 for one in deltas), len(cases))
    spread = clustered_spread(deltas, [case.cluster for case in cases])
    return Measured(rule, True, counts, spread, cases)


def measure_score(cases: Sequence[CaseScores], rule: Rule) -> Measured:
    """The candidate's score itself; raises StatsError for fewer than two clusters."""
    scores = [mean(case.new) for case in cases]
    counts = Counts(round(math.fsum(scores)), 0, len(cases)) if _are_plain(cases, rule) else None
    spread = clustered_spread(scores, [case.cluster for case in cases])
    return Measured(rule, False, counts, spread, cases)


def count_clusters(cases: Sequence[CaseScores]) -> int:
    """How many observations the cases are."""
    return len({case.cluster for case in cases})


def _are_plain(cases: Sequence[CaseScores], rule: Rule) -> bool:
    """One 0/1 answer of each case and side, no two cases of a cluster."""
    single = all(len(case.new) == 1 and len(case.base or (0.0,)) == 1 for case in cases)
    return rule.binary and single and count_clusters(cases) == len(cases)


def _noise(cases: Sequence[CaseScores], rule: Rule, *, with_base: bool) -> float | None:
    """The variance of the mean over cases that is due to answers of the same case differing; None for single answers."""
    sides = [side for case in cases for side in ((case.new, case.base or ()) if with_base else (case.new,))]
    if any(len(side) < 2 for side in sides):
        return None
    is_ratio = with_base and rule.scale == "log_ratio"
    return math.fsum(_variance_of_mean(side, is_ratio=is_ratio) for side in sides) / len(cases) ** 2


def _variance_of_mean(values: Sequence[float], *, is_ratio: bool) -> float:
    middle = mean(values)
    square = math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1) / len(values)
    return (square / middle**2 if middle else 0.0) if is_ratio else square
