"""The verdict on one metric of a run: from each case's scores to passed, failed, inconclusive, and a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from evals_app import verdict_words as words
from evals_app.bounds import count_clusters, measure_difference, measure_score
from evals_app.settling import what_settles
from evals_app.stats import StatsError, holm
from evals_app.verdict_rules import (
    COMPARING,
    MODES,
    CaseScores,
    Decision,
    MetricVerdict,
    Mode,
    Rule,
    Verdict,
    delta,
    mean,
    means,
)

__all__ = ["MODES", "CaseScores", "MetricVerdict", "Mode", "Rule", "Verdict", "decide", "judge", "judge_all", "overall"]

MAX_ERRORS = 0.02


def judge(cases: Sequence[CaseScores], rule: Rule) -> MetricVerdict:
    """The verdict of `rule` on the cases; never raises for what scores can hold: that is verdict "error" with a reason.

    Errors: a score that is no finite number, more than 2 % of cases in error (or a critical one, or any that `all_pass`
    looks at), fewer than two clusters, no case. A case is in error when any of its answers is. Comparing modes with nothing
    live are judged by `first_floor`.
    """
    if reason := _unusable(cases, rule):
        return _blank(rule, len(cases), "reported" if rule.mode == "report_only" else "error", reason)
    usable = usable_cases(cases)
    try:
        return _told(usable, rule, decide(usable, rule))
    except StatsError as error:
        return _blank(rule, len(usable), "error", words.error(str(error)))


def judge_all(
    judged: Sequence[tuple[Sequence[CaseScores], Rule]], *, any_superior: bool = False
) -> list[MetricVerdict]:
    """The verdicts of several metrics, each at its own level: all must pass, so no level is shared (intersection-union).

    With `any_superior` the metrics whose mode is `superior` are one claim, "better on at least one of these": each is
    tested at the level Holm leaves it, and once one is shown the others that are not need not be.
    """
    found = [judge(cases, rule) for cases, rule in judged]
    family = [
        index for index, (_, rule) in enumerate(judged) if rule.mode == "superior" and found[index].mode == rule.mode
    ]
    family = [index for index in family if found[index].verdict != "error"]
    if not any_superior or len(family) < 2:
        return found

    def at(place: int, level: float) -> MetricVerdict:
        cases, rule = judged[family[place]]
        return judge(cases, replace(rule, alpha=level * rule.looks))

    alpha = judged[family[0]][1].level
    tested = holm(len(family), alpha, lambda place, level: at(place, level).verdict == "passed")
    held = [at(place, level) for place, (_, level) in enumerate(tested)]
    is_shown = any(metric.verdict == "passed" for metric in held)
    for index, metric in zip(family, held, strict=True):
        found[index] = _not_needed(metric) if is_shown and metric.verdict == "inconclusive" else metric
    return found


def overall(verdicts: Iterable[MetricVerdict]) -> Verdict | None:
    """The run's verdict: all metrics that are judged must pass; None when every one is only reported."""
    found = {metric.verdict for metric in verdicts}
    order: tuple[Verdict, ...] = ("error", "failed", "inconclusive", "passed")
    return next((verdict for verdict in order if verdict in found), None)


def decide(cases: Sequence[CaseScores], rule: Rule) -> Decision:
    """What the numbers say of usable cases, not yet in words; raises StatsError for fewer than two clusters."""
    if rule.mode in COMPARING and cases[0].base is None:
        return _floor(cases, rule, rule.first_floor, is_first=True)
    if rule.mode == "floor":
        return _floor(cases, rule, rule.floor)
    return _DECIDERS[rule.mode](cases, rule)


def usable_cases(cases: Sequence[CaseScores]) -> list[CaseScores]:
    """Those answered on every side."""
    return [case for case in cases if case.is_answered]


def _unusable(cases: Sequence[CaseScores], rule: Rule) -> str:
    """Why these cases permit no verdict at all; empty when they do."""
    values = [value for case in cases for value in (*case.new, *(case.base or ()))]
    failed = [case for case in cases if case.is_in_error]
    if not any(case.is_answered for case in cases):
        return words.error("no case was answered")
    if not all(math.isfinite(value) for value in values):
        return words.error("a score is not a finite number")
    if len({case.base is None for case in cases}) > 1:
        return words.error("some cases have a baseline and some have none")
    if rule.scale == "log_ratio" and rule.mode in COMPARING and not all(_has_ratio(case) for case in cases):
        return words.error("something that is compared by its ratio is not above 0")
    if rule.mode != "report_only" and len(failed) > MAX_ERRORS * len(cases):
        return words.error(f"{len(failed)} of {len(cases)} cases {_lost(rule)}, more than 2 %")
    looked_at = _looked_at(cases) if rule.mode == "all_pass" else [case for case in cases if case.critical]
    if rule.mode != "report_only" and (lost := [case.case_key for case in looked_at if case.is_in_error]):
        return words.error(f"a case that must pass ended in error: {words.names(lost)}")
    return ""


def _lost(rule: Rule) -> str:
    return "have no price that is known" if rule.unit == "dollars" else "ended in error"


def _has_ratio(case: CaseScores) -> bool:
    if not case.new or not case.base:
        return True
    new, base = mean(case.new), mean(case.base)
    return (new > 0 and base > 0) or new == base == 0


def _non_inferior(cases: Sequence[CaseScores], rule: Rule) -> Decision:
    compared = _compared(cases, rule, -rule.allowed)
    bounds = compared.bounds
    assert bounds is not None
    verdict: Verdict = "inconclusive"
    if compared.failing or compared.misses_floor or bounds.upper < -rule.allowed:
        verdict = "failed"
    elif bounds.lower >= -rule.allowed:
        verdict = "passed"
    return replace(compared, verdict=verdict)


def _superior(cases: Sequence[CaseScores], rule: Rule) -> Decision:
    compared = _compared(cases, rule, 0.0)
    bounds, gain = compared.bounds, compared.delta
    assert bounds is not None and gain is not None
    verdict: Verdict = "inconclusive"
    if compared.failing or compared.misses_floor or bounds.upper < 0:
        verdict = "failed"
    elif bounds.lower > 0 and gain >= rule.asked_gain and not rule.barred:
        verdict = "passed"
    return replace(compared, verdict=verdict)


def _compared(cases: Sequence[CaseScores], rule: Rule, line: float) -> Decision:
    """Candidate against baseline, not yet decided."""
    return Decision(
        "inconclusive",
        rule.mode,
        measure_difference(cases, rule).bounds(),
        mean([delta(case, rule) for case in cases]),
        line,
        misses_floor=rule.floor is not None and _floor(cases, rule, rule.floor).verdict == "failed",
        failing=tuple(case.case_key for case in cases if _regressed(case, rule)),
    )


def _floor(cases: Sequence[CaseScores], rule: Rule, floor: float | None, *, is_first: bool = False) -> Decision:
    if floor is None:
        raise StatsError("no floor is set")
    bounds = measure_score(cases, rule).bounds()
    worst, best = (bounds.lower, bounds.upper) if rule.higher_is_better else (-bounds.upper, -bounds.lower)
    verdict: Verdict = "inconclusive"
    if worst >= rule.sign * floor:
        verdict = "passed"
    elif best < rule.sign * floor:
        verdict = "failed"
    return Decision(verdict, "floor", bounds, None, floor, is_first=is_first)


def _all_pass(cases: Sequence[CaseScores], rule: Rule) -> Decision:
    looked_at = _looked_at(cases)
    failing = tuple(case.case_key for case in looked_at if not all(rule.passes(value) for value in case.new))
    return Decision("failed" if failing else "passed", rule.mode, delta=_plain_delta(cases, rule), failing=failing)


def _report_only(cases: Sequence[CaseScores], rule: Rule) -> Decision:
    return Decision("reported", rule.mode, delta=_plain_delta(cases, rule))


_DECIDERS: Mapping[Mode, Callable[[Sequence[CaseScores], Rule], Decision]] = {
    "non_inferior": _non_inferior,
    "superior": _superior,
    "all_pass": _all_pass,
    "report_only": _report_only,
}


def _plain_delta(cases: Sequence[CaseScores], rule: Rule) -> float | None:
    """The mean difference where there is a baseline to differ from, and a ratio where one is asked for."""
    if cases[0].base is None or (rule.scale == "log_ratio" and not all(_has_ratio(case) for case in cases)):
        return None
    return mean([delta(case, rule) for case in cases])


def _regressed(case: CaseScores, rule: Rule) -> bool:
    """A critical case that passed every repeat on the baseline and failed one on the candidate."""
    passed_before = all(rule.passes(value) for value in case.base or ())
    return case.critical and passed_before and not all(rule.passes(value) for value in case.new)


def _looked_at(cases: Sequence[CaseScores]) -> list[CaseScores]:
    """The critical cases where any is marked so, else all."""
    return [case for case in cases if case.critical] or list(cases)


def _told(cases: Sequence[CaseScores], rule: Rule, decision: Decision) -> MetricVerdict:
    """A decision in words, with the numbers behind it."""
    mean_new, mean_base = means(cases)
    told = words.Told(rule, decision, len(cases), count_clusters(cases), mean_new, mean_base)
    looked_at = len(_looked_at(cases))
    sentence = words.sentence(told, looked_at=looked_at)
    bounds = decision.bounds
    is_difference = bounds is not None and decision.mode in COMPARING
    measured = measure_difference(cases, rule) if is_difference else None
    noise = measured.noise if measured else None
    square = measured.spread.error**2 if measured else 0.0
    return MetricVerdict(
        name=rule.name,
        mode=decision.mode,
        n=len(cases),
        mean_new=mean_new,
        mean_base=mean_base,
        delta=decision.delta,
        lower=bounds.lower if bounds else None,
        upper=bounds.upper if bounds else None,
        verdict=decision.verdict,
        sentence=sentence,
        settle=what_settles(cases, rule, decision) if decision.verdict == "inconclusive" else "",
        regressed=decision.failing if decision.mode in COMPARING else (),
        clusters=told.clusters,
        line=decision.line,
        unit=rule.told_in,
        scale=rule.scale,
        error=measured.spread.error if measured else None,
        noise=None if noise is None else min(1.0, noise / square) if square else 0.0,
    )


def _not_needed(metric: MetricVerdict) -> MetricVerdict:
    """One of several claims that is not shown, where another is."""
    sentence = f"{words.NOT_NEEDED} {metric.sentence}"
    return replace(metric, verdict="reported", sentence=sentence, settle="")


def _blank(rule: Rule, n: int, verdict: Verdict, sentence: str) -> MetricVerdict:
    return MetricVerdict(
        rule.name, rule.mode, n, verdict=verdict, sentence=sentence, unit=rule.told_in, scale=rule.scale
    )
