"""Slices: the cases of one tag on their own, as guardrails of a comparison.

A slice never has to prove that it is as good: it fails only when it is shown to be worse than the margin allows, at a level
that all slices of the metric share by Holm's method, so that looking at many tags does not fail a good version by chance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evals_app import verdict_words as words
from evals_app.bounds import Measured, count_clusters, measure_difference
from evals_app.stats import Interval, holm
from evals_app.verdict_rules import COMPARING, CaseScores, Decision, Rule, Unit, Verdict, means
from evals_app.verdicts import usable_cases

SMALL = 20  # a slice with fewer clusters is shown, not gated
MOST_SLICES = 100  # the largest are kept


@dataclass(frozen=True, slots=True)
class SliceVerdict:
    """What one metric says of the cases with one tag: `failed`, `passed` (not shown to be worse), or only `reported`."""

    metric: str
    tag: str
    n: int
    clusters: int
    mean_new: float
    mean_base: float | None
    delta: float | None
    lower: float | None
    upper: float | None
    verdict: Verdict
    sentence: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class _Slice:
    tag: str
    cases: tuple[CaseScores, ...]
    clusters: int
    measured: Measured | None

    @property
    def is_judged(self) -> bool:
        return self.measured is not None and self.clusters >= SMALL


def judge_slices(cases: Sequence[CaseScores], rule: Rule) -> tuple[SliceVerdict, ...]:
    """The slices of a metric by tag, the largest hundred; a tag that every case has is no slice.

    Only the modes that compare judge slices, and only where something was live; elsewhere they are reported.
    """
    usable = usable_cases(cases)
    found = [_slice(tag, some, rule) for tag, some in _by_tag(usable)]
    judged = [index for index, one in enumerate(found) if one.is_judged]

    def is_worse(place: int, level: float) -> bool:
        return _bounds(found[judged[place]], level).upper < -rule.allowed

    tested = dict(zip(judged, holm(len(judged), rule.level, is_worse), strict=True))
    return tuple(_told(one, rule, tested.get(index)) for index, one in enumerate(found))


def _by_tag(cases: Sequence[CaseScores]) -> list[tuple[str, list[CaseScores]]]:
    """Tags with their cases by name, the largest hundred of those that not every case has."""
    tagged: dict[str, list[CaseScores]] = defaultdict(list)
    for case in cases:
        for tag in case.tags:
            tagged[tag].append(case)
    parts = [(tag, some) for tag, some in tagged.items() if len(some) < len(cases)]
    return sorted(sorted(parts, key=lambda part: (-len(part[1]), part[0]))[:MOST_SLICES])


def _slice(tag: str, cases: Sequence[CaseScores], rule: Rule) -> _Slice:
    clusters = count_clusters(cases)
    is_compared = rule.mode in COMPARING and clusters >= 2 and all(case.base for case in cases)
    return _Slice(tag, tuple(cases), clusters, measure_difference(cases, rule) if is_compared else None)


def _bounds(one: _Slice, level: float) -> Interval:
    assert one.measured is not None
    return one.measured.bounds(level=level)


def _told(one: _Slice, rule: Rule, tested: tuple[bool, float] | None) -> SliceVerdict:
    """A slice in words; `tested` says whether it failed, and at which level."""
    is_worse, level = tested or (False, rule.level)
    at_level = replace(rule, alpha=level * rule.looks)
    bounds = _bounds(one, level) if one.measured else None
    verdict: Verdict = "reported" if tested is None else "failed" if is_worse else "passed"
    delta = one.measured.spread.mean if one.measured else None
    mean_new, mean_base = means(one.cases)
    decision = Decision(verdict, rule.mode, bounds, delta, -rule.allowed)
    told = words.Told(at_level, decision, len(one.cases), one.clusters, mean_new, mean_base)
    why_not = f", since it takes {SMALL}" if one.measured else ""
    return SliceVerdict(
        metric=rule.name,
        tag=one.tag,
        n=len(one.cases),
        clusters=one.clusters,
        mean_new=mean_new,
        mean_base=mean_base,
        delta=delta,
        lower=bounds.lower if bounds else None,
        upper=bounds.upper if bounds else None,
        verdict=verdict,
        sentence=words.slice_sentence(told, is_judged=tested is not None, why_not=why_not),
        unit=rule.told_in,
    )
