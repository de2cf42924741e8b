"""The verdict on one metric of a run: from each case's scores to passed, failed, inconclusive, and a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals_app import verdict_words as words
from evals_app.stats import Interval, StatsError, clustered_t, level_per_look, tango_bounds, wilson
from registry.core.canonical import JSON

type Mode = Literal["non_inferior", "floor", "all_pass", "report_only"]
type Verdict = Literal["passed", "failed", "inconclusive", "error", "reported"]

MODES: tuple[Mode, ...] = ("non_inferior", "floor", "all_pass", "report_only")
MAX_ERRORS = 0.02
MOST_OFTEN = 64.0  # as many times the cases are tried to find out what would settle it


@dataclass(frozen=True, slots=True)
class CaseScores:
    """What one case scored: `new` and `base` hold every repeat of every attempt that is pooled.

    An empty tuple says that the case ended in error on that side; `base` is None when nothing was live to compare with.
    `cluster` is the case's own key unless cases belong together.
    """

    case_key: str
    cluster: str
    critical: bool
    new: tuple[float, ...]
    base: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Rule:
    """How a metric is judged. `margin` is in points of the score; of a "log_ratio" (cost, latency) in parts, 0.1 = 10 %.

    `floor` is what mode `floor` asks for, `first_floor` what the comparing modes ask while nothing is live. A repeat
    passes at `pass_at` or better. `binary`: every score is 0 or 1. `alpha` is for all `looks` together.
    """

    name: str
    mode: Mode = "non_inferior"
    margin: float = 0.05
    floor: float | None = None
    first_floor: float = 0.5
    alpha: float = 0.05
    looks: int = 1
    binary: bool = True
    higher_is_better: bool = True
    pass_at: float = 1.0
    scale: Literal["difference", "log_ratio"] = "difference"

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

    def passes(self, value: float) -> bool:
        return self.sign * value >= self.sign * self.pass_at


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """The verdict on one metric over `n` cases, those in error left out.

    `delta`, `lower` and `upper` speak of the difference, above 0 for better; of the score itself where `mode` is floor
    (also of a first version). None where nothing was computed. `settle` says what would end an inconclusive verdict.
    """

    name: str
    mode: Mode
    n: int
    mean_new: float | None
    mean_base: float | None
    delta: float | None
    lower: float | None
    upper: float | None
    verdict: Verdict
    sentence: str
    settle: str = ""
    regressed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        """As the API shows a metric of a run; what would settle it ends the sentence."""
        return {
            "name": self.name,
            "mode": self.mode,
            "mean_new": self.mean_new,
            "mean_base": self.mean_base,
            "delta": self.delta,
            "lower": self.lower,
            "upper": self.upper,
            "verdict": self.verdict,
            "sentence": f"{self.sentence} {self.settle}".rstrip(),
        }


def judge(cases: Sequence[CaseScores], rule: Rule) -> MetricVerdict:
    """The verdict of `rule` on the cases; never raises for what scores can hold: that is verdict "error" with a reason.

    Errors: a score that is no finite number, more than 2 % of cases in error (or a critical one, or any that `all_pass`
    looks at), fewer than two clusters, no case. Comparing modes with nothing live are judged by `first_floor`.
    """
    if reason := _unusable(cases, rule):
        return _blank(rule, len(cases), "reported" if rule.mode == "report_only" else "error", reason)
    usable = [case for case in cases if case.new and case.base != ()]
    try:
        return _JUDGES[rule.mode](usable, rule)
    except StatsError as error:
        return _blank(rule, len(usable), "error", words.error(str(error)))


def overall(verdicts: Iterable[MetricVerdict]) -> Verdict | None:
    """The run's verdict: all metrics that are judged must pass; None when every one is only reported."""
    found = {metric.verdict for metric in verdicts}
    order: tuple[Verdict, ...] = ("error", "failed", "inconclusive", "passed")
    return next((verdict for verdict in order if verdict in found), None)


def _unusable(cases: Sequence[CaseScores], rule: Rule) -> str:
    """Why these cases permit no verdict at all; empty when they do."""
    values = [value for case in cases for value in (*case.new, *(case.base or ()))]
    failed = [case for case in cases if not case.new or case.base == ()]
    if not cases or len(failed) == len(cases):
        return words.error("no case was answered")
    if not all(math.isfinite(value) for value in values):
        return words.error("a score is not a finite number")
    if rule.scale == "log_ratio" and not all(value > 0 for value in values):
        return words.error("a cost or latency is not above 0")
    if len({case.base is None for case in cases}) > 1:
        return words.error("some cases have a baseline and some have none")
    if len(failed) > MAX_ERRORS * len(cases):
        return words.error(f"{len(failed)} of {len(cases)} cases ended in error, more than 2 %")
    looked_at = _looked_at(cases) if rule.mode == "all_pass" else [case for case in cases if case.critical]
    if rule.mode != "report_only" and (lost := [case.case_key for case in looked_at if case in failed]):
        return words.error(f"a case that must pass ended in error: {words.names(lost)}")
    return ""


def _non_inferior(cases: Sequence[CaseScores], rule: Rule) -> MetricVerdict:
    if cases[0].base is None:
        return _floor(cases, rule, floor=rule.first_floor, is_first=True)
    bounds = _difference(cases, rule)
    regressed = tuple(case.case_key for case in cases if _regressed(case, rule))
    misses_floor = rule.floor is not None and _score_bounds(cases, rule).upper < rule.floor
    verdict: Verdict = "inconclusive"
    if regressed or misses_floor or bounds.upper < -rule.allowed:
        verdict = "failed"
    elif bounds.lower >= -rule.allowed:
        verdict = "passed"
    return _metric(cases, rule, bounds, verdict, regressed=regressed)


def _floor(
    cases: Sequence[CaseScores], rule: Rule, *, floor: float | None = None, is_first: bool = False
) -> MetricVerdict:
    floor = rule.floor if floor is None else floor
    if floor is None:
        return _blank(rule, len(cases), "error", words.error("no floor is set"))
    bounds = _score_bounds(cases, rule)
    worst, best = (bounds.lower, bounds.upper) if rule.higher_is_better else (-bounds.upper, -bounds.lower)
    verdict: Verdict = "inconclusive"
    if worst >= rule.sign * floor:
        verdict = "passed"
    elif best < rule.sign * floor:
        verdict = "failed"
    return _metric(cases, rule, bounds, verdict, floor=floor, is_first=is_first)


def _all_pass(cases: Sequence[CaseScores], rule: Rule) -> MetricVerdict:
    looked_at = _looked_at(cases)
    failing = tuple(case.case_key for case in looked_at if not all(rule.passes(value) for value in case.new))
    verdict: Verdict = "failed" if failing else "passed"
    sentence = words.all_pass(len(looked_at), failing, only_critical=len(looked_at) < len(cases))
    return _described(cases, rule, verdict, sentence)


def _report_only(cases: Sequence[CaseScores], rule: Rule) -> MetricVerdict:
    mean_new, mean_base = _means(cases)
    return _described(cases, rule, "reported", words.reported(mean_new, mean_base, binary=rule.binary))


_JUDGES: Mapping[Mode, Callable[[Sequence[CaseScores], Rule], MetricVerdict]] = {
    "non_inferior": _non_inferior,
    "floor": _floor,
    "all_pass": _all_pass,
    "report_only": _report_only,
}


def _difference(cases: Sequence[CaseScores], rule: Rule, factor: float = 1.0) -> Interval:
    """Bounds of the difference: Tango's for single 0/1 answers of cases on their own, else the clustered t."""
    deltas = [_delta(case, rule) for case in cases]
    if _is_plain(cases, rule) and rule.scale == "difference":
        if len(cases) < 2:
            raise StatsError("fewer than two clusters of cases")
        wins, losses = sum(delta > 0 for delta in deltas), sum(delta < 0 for delta in deltas)
        return tango_bounds(wins * factor, losses * factor, len(cases) * factor, rule.level)
    clusters = [case.cluster for case in cases]
    binary = rule.binary and rule.scale == "difference"
    bounds = clustered_t(deltas, clusters, rule.level, binary=binary, factor=factor)
    return _clipped(bounds, -1.0) if binary else bounds


def _score_bounds(cases: Sequence[CaseScores], rule: Rule, factor: float = 1.0) -> Interval:
    """Bounds of the score itself: Wilson's for single 0/1 answers of cases on their own, else the clustered t."""
    scores = [_mean(case.new) for case in cases]
    if _is_plain(cases, rule):
        if len(cases) < 2:
            raise StatsError("fewer than two clusters of cases")
        return wilson(math.fsum(scores) * factor, len(cases) * factor, rule.level)
    clusters = [case.cluster for case in cases]
    bounds = clustered_t(scores, clusters, rule.level, binary=rule.binary, factor=factor)
    return _clipped(bounds, 0.0) if rule.binary else bounds


def _clipped(bounds: Interval, least: float) -> Interval:
    return Interval(max(least, bounds.lower), min(1.0, bounds.upper))


def _is_plain(cases: Sequence[CaseScores], rule: Rule) -> bool:
    """One 0/1 answer of each case and side, no two cases of a cluster."""
    single = all(len(case.new) == 1 and len(case.base or (0.0,)) == 1 for case in cases)
    return rule.binary and single and len({case.cluster for case in cases}) == len(cases)


def _delta(case: CaseScores, rule: Rule) -> float:
    new, base = _mean(case.new), _mean(case.base or ())
    if rule.scale == "log_ratio":
        return rule.sign * (math.log(new) - math.log(base))
    return rule.sign * (new - base)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _means(cases: Sequence[CaseScores]) -> tuple[float, float | None]:
    bases = [_mean(case.base) for case in cases if case.base]
    return _mean([_mean(case.new) for case in cases]), _mean(bases) if bases else None


def _regressed(case: CaseScores, rule: Rule) -> bool:
    """A critical case that passed every repeat on the baseline and failed one on the candidate."""
    passed_before = all(rule.passes(value) for value in case.base or ())
    return case.critical and passed_before and not all(rule.passes(value) for value in case.new)


def _looked_at(cases: Sequence[CaseScores]) -> list[CaseScores]:
    """The critical cases where any is marked so, else all."""
    return [case for case in cases if case.critical] or list(cases)


def _metric(
    cases: Sequence[CaseScores],
    rule: Rule,
    bounds: Interval,
    verdict: Verdict,
    *,
    floor: float | None = None,
    is_first: bool = False,
    regressed: tuple[str, ...] = (),
) -> MetricVerdict:
    mean_new, mean_base = _means(cases)
    told = words.Told(rule.binary, 1 - rule.level, len(cases), mean_new, mean_base, bounds)
    if floor is None:
        delta = _mean([_delta(case, rule) for case in cases])
        sentence = words.compared(told, verdict, delta, rule.allowed, regressed, is_ratio=rule.scale == "log_ratio")
        more = _more_cases(lambda f: _decides(_difference(cases, rule, f), -rule.allowed), len(cases))
    else:
        delta = None
        sentence = words.against_floor(told, verdict, floor, is_first=is_first, is_least=rule.higher_is_better)
        more = _more_cases(lambda f: _decides(_score_bounds(cases, rule, f), floor), len(cases))
    return MetricVerdict(
        name=rule.name,
        mode=rule.mode if floor is None else "floor",
        n=len(cases),
        mean_new=mean_new,
        mean_base=mean_base,
        delta=delta,
        lower=bounds.lower,
        upper=bounds.upper,
        verdict=verdict,
        sentence=sentence,
        settle=words.settle(more) if verdict == "inconclusive" else "",
        regressed=regressed,
    )


def _decides(bounds: Interval, line: float) -> bool:
    return bounds.lower >= line or bounds.upper < line


def _more_cases(decides: Callable[[float], bool], n: int) -> int | None:
    """About how many more cases like these would decide; None when even 64 times as many would not."""
    if decides(1.0):
        return 0
    if not decides(MOST_OFTEN):
        return None
    low, high = 1.0, MOST_OFTEN
    while high - low > 0.5 / n:
        middle = (low + high) / 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return math.ceil((high - 1) * n)


def _described(cases: Sequence[CaseScores], rule: Rule, verdict: Verdict, sentence: str) -> MetricVerdict:
    """A verdict that makes no statistical claim: means and their difference, no bounds."""
    mean_new, mean_base = _means(cases)
    delta = None if mean_base is None else _mean([_delta(case, rule) for case in cases])
    return MetricVerdict(rule.name, rule.mode, len(cases), mean_new, mean_base, delta, None, None, verdict, sentence)


def _blank(rule: Rule, n: int, verdict: Verdict, sentence: str) -> MetricVerdict:
    return MetricVerdict(rule.name, rule.mode, n, None, None, None, None, None, verdict, sentence)
