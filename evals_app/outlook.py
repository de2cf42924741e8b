"""How likely a version that is just as good will pass, told before anything is asked.

Worked out from how much answers differed in the suite's last run, scaled to the cases and repeats of now. Single 0/1 answers
of cases on their own are counted exactly: so many cases differ (binomial), either way as likely, and Tango's bound says which
outcomes pass. Everything else takes the mean difference as normal: the chance that it exceeds the half width less the margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from evals_app import verdict_words as words
from evals_app.distributions import binomial_tail, normal_cdf
from evals_app.stats import Spread, is_tango_above, t_bounds, tango_bounds
from evals_app.verdict_rules import Rule

ASSUMED = 0.10  # single answers that differ between two equal versions, while nothing has been asked yet
MOST_COUNTED = 60  # differing cases expected, above which counting gives way to the normal distribution
GOOD = 0.9
MOST_CASES = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last comparison showed: the standard error of its difference, from `clusters` with `answers` to each case.

    `noise` is the share of the squared error that more answers would shrink; None where single answers cannot tell.
    """

    error: float
    delta: float
    clusters: int
    answers: int
    noise: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be asked: `is_plain` where no two cases belong together."""

    clusters: int
    cases: int
    answers: int

    @property
    def is_plain(self) -> bool:
        return self.clusters == self.cases


@dataclass(frozen=True, slots=True)
class Outlook:
    """The chance that an equal version passes one metric, and the same in a sentence. `is_seen`: from a run, not assumed."""

    metric: str
    chance: float
    is_seen: bool
    sentence: str


def outlook(rule: Rule, plan: Plan, seen: Seen | None) -> Outlook | None:
    """The outlook of a metric that is judged `non_inferior`; None for other modes, and where nothing is known."""
    if rule.mode != "non_inferior" or plan.clusters < 2 or (seen is None and not rule.binary):
        return None
    chance = chance_to_pass(rule, plan, seen)
    needed = None if chance >= GOOD else _cases_for(lambda many: chance_to_pass(rule, many, seen), plan)
    return Outlook(
        rule.name, chance, seen is not None, words.outlook(rule, plan.cases, chance, needed, is_seen=bool(seen))
    )


def chance_to_pass(rule: Rule, plan: Plan, seen: Seen | None) -> float:
    """How likely a version passes whose true difference is 0."""
    square = _square(rule, plan, seen)
    if rule.binary and plan.answers == 1 and plan.is_plain and square * plan.cases**2 <= MOST_COUNTED:
        return _counted(rule, plan.cases, min(1.0, square * plan.cases))
    if square == 0:
        bounds = t_bounds(Spread(0.0, 0.0, plan.clusters), rule.level, binary=rule.binary)
        return 1.0 if bounds.lower >= -rule.allowed else 0.0
    error = math.sqrt(square)
    bounds = t_bounds(Spread(0.0, error, plan.clusters), rule.level, binary=rule.binary)
    return normal_cdf((bounds.lower + rule.allowed) / error)


def _square(rule: Rule, plan: Plan, seen: Seen | None) -> float:
    """The squared standard error to expect of a difference that is truly 0."""
    if seen is None:
        return ASSUMED * (0.5 + 0.5 / plan.answers) / plan.clusters
    noise = 0.5 if seen.noise is None else seen.noise
    scale = (1 - noise) + noise * seen.answers / plan.answers
    lost = (
        seen.delta**2 if rule.binary and seen.answers == 1 else 0.0
    )  # the share of cases that differ, not their variance
    return (seen.error**2 * seen.clusters + lost) * scale / plan.clusters


def _counted(rule: Rule, n: int, share: float) -> float:
    """Exact: every number of differing cases, and of wins among them."""
    if share == 0:
        return 1.0 if tango_bounds(0, 0, n, rule.level).lower >= -rule.allowed else 0.0
    middle, width = n * share, 6 * math.sqrt(n * share * (1 - share)) + 6
    total = 0.0
    for differing in range(max(0, int(middle - width)), min(n, int(middle + width)) + 1):
        least = _least_wins(rule, n, differing)
        passing = 1.0 if least == 0 else 0.0 if least > differing else binomial_tail(least - 1, differing)
        total += _binomial(differing, n, share) * passing
    return min(1.0, total)


def _least_wins(rule: Rule, n: int, differing: int) -> int:
    """The fewest wins among so many differing cases that pass; one more than there are where none do."""
    low, high = 0, differing + 1
    while low < high:
        middle = (low + high) // 2
        if is_tango_above(middle, differing - middle, n, rule.level, least=-rule.allowed):
            high = middle
        else:
            low = middle + 1
    return low


def _binomial(k: int, n: int, p: float) -> float:
    if p >= 1:
        return 1.0 if k == n else 0.0
    chosen = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(chosen + k * math.log(p) + (n - k) * math.log1p(-p))


def _cases_for(chance: Callable[[Plan], float], plan: Plan) -> int | None:
    """About how many cases like these would make the chance good; None where 10,000 would not."""

    def is_good(times: float) -> bool:
        many = Plan(math.ceil(plan.clusters * times), math.ceil(plan.cases * times), plan.answers)
        return chance(many) >= GOOD

    low, high = 1.0, 2.0
    while not is_good(high):
        low, high = high, high * 2
        if high * plan.cases > MOST_CASES:
            return None
    while (high - low) * plan.cases > max(1.0, 0.05 * low * plan.cases):
        middle = (low + high) / 2
        low, high = (low, middle) if is_good(middle) else (middle, high)
    return math.ceil(high * plan.cases)
