"""What a verdict is made of, as plain values: a case's scores, the rule of a metric, and what is said in the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals_app.stats import Interval, level_per_look

type Mode = Literal["non_inferior", "superior", "floor", "all_pass", "report_only"]
type Verdict = Literal["passed", "failed", "inconclusive", "error", "reported"]
type Scale = Literal["difference", "log_ratio"]
type Unit = Literal["rate", "score", "dollars", "ms", "tokens"]

MODES: tuple[Mode, ...] = ("non_inferior", "superior", "floor", "all_pass", "report_only")
COMPARING: frozenset[Mode] = frozenset({"non_inferior", "superior"})


@dataclass(frozen=True, slots=True)
class CaseScores:
    """What one case scored: `new` and `base` hold every repeat of every attempt that is pooled.

    `lost` are answers, on either side, that brought no score: a case with any is in error, though what came still counts.
    An empty tuple says that none came on that side; `base` is None when nothing was live to compare with. `cluster` is the
    case's own key unless cases belong together.
    """

    case_key: str
    cluster: str
    critical: bool
    new: tuple[float, ...]
    base: tuple[float, ...] | None
    tags: tuple[str, ...] = ()
    lost: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether every side has something to compare."""
        return bool(self.new) and self.base != ()

    @property
    def is_in_error(self) -> bool:
        """Whether any of its answers is missing."""
        return self.lost > 0 or not self.is_answered


@dataclass(frozen=True, slots=True)
class Rule:
    """How a metric is judged. `margin` is in points of the score; of a "log_ratio" (cost, latency) in parts, 0.1 = 10 %.

    `floor` is what mode `floor` asks for, and what the comparing modes ask besides; `first_floor` is what these ask while
    nothing is live. Where lower is better both are ceilings. `least_gain` is the smallest gain that counts as `superior`,
    on the margin's scale. A repeat passes at `pass_at` or better. `sides` is what sentences call the two that are compared. `binary`: every score is 0 or 1. `alpha` is for all
    `looks` together. `barred` says why no claim to be better may rest on these scores; empty where it may.
    """

    name: str
    mode: Mode = "non_inferior"
    margin: float = 0.05
    floor: float | None = None
    first_floor: float | None = 0.5
    alpha: float = 0.05
    looks: int = 1
    binary: bool = True
    higher_is_better: bool = True
    pass_at: float = 1.0
    scale: Scale = "difference"
    least_gain: float = 0.0
    unit: Unit | None = None
    barred: str = ""
    sides: tuple[str, str] = ("new", "live")

    @property
    def level(self) -> float:
        return level_per_look(self.alpha, self.looks)

    @property
    def sign(self) -> int:
        return 1 if self.higher_is_better else -1

    @property
    def allowed(self) -> float:
        """The margin on the scale of `delta`."""
        return math.log1p(self.margin) if self.scale == "log_ratio" else self.margin

    @property
    def asked_gain(self) -> float:
        """The least gain on the scale of `delta`."""
        return math.log1p(self.least_gain) if self.scale == "log_ratio" else self.least_gain

    @property
    def told_in(self) -> Unit:
        """What numbers of this metric are told in."""
        return self.unit or ("rate" if self.binary else "score")

    def passes(self, value: float) -> bool:
        return self.sign * value >= self.sign * self.pass_at


@dataclass(frozen=True, slots=True)
class Decision:
    """What the numbers say before it is put in words.

    `mode` is what was judged by: "floor" for a comparing mode with nothing live (`is_first`). `line` is what the bounds
    are held against: below it at most, above it at least. Bounds are None where no statistical claim is made.
    """

    verdict: Verdict
    mode: Mode
    bounds: Interval | None = None
    delta: float | None = None
    line: float | None = None
    is_first: bool = False
    misses_floor: bool = False
    failing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """The verdict on one metric over `n` cases in `clusters`, those in error left out.

    `delta`, `lower` and `upper` speak of the difference, above 0 for better (of the logarithm of a ratio where `scale`
    says so); of the score itself where `mode` is floor, also of a first version. `line` is what the bounds are held
    against. None where nothing was computed. `settle` says what would end an inconclusive verdict. `error` is the standard
    error of a difference, `noise` the share of its square that asking more often would shrink; None where it cannot be told.
    """

    name: str
    mode: Mode
    n: int
    mean_new: float | None = None
    mean_base: float | None = None
    delta: float | None = None
    lower: float | None = None
    upper: float | None = None
    verdict: Verdict = "error"
    sentence: str = ""
    settle: str = ""
    regressed: tuple[str, ...] = ()
    clusters: int = 0
    line: float | None = None
    unit: Unit = "rate"
    scale: Scale = "difference"
    error: float | None = None
    noise: float | None = None

    @property
    def told(self) -> str:
        """The sentence with what would settle it."""
        return f"{self.sentence} {self.settle}".rstrip()


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value, exact about order."""
    return math.fsum(values) / len(values)


def means(cases: Sequence[CaseScores]) -> tuple[float, float | None]:
    """The mean of the cases' means on each side."""
    bases = [mean(case.base) for case in cases if case.base]
    return mean([mean(case.new) for case in cases]), mean(bases) if bases else None


def delta(case: CaseScores, rule: Rule) -> float:
    """How much better the case went, on the rule's scale; 0 where a ratio is asked for of nothing and nothing."""
    new, base = mean(case.new), mean(case.base or ())
    if rule.scale == "log_ratio":
        return 0.0 if new == base else rule.sign * (math.log(new) - math.log(base))
    return rule.sign * (new - base)
