"""How far two sets of answers to the same cases lie apart, as a number with its bounds and a word. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals_app.stats import Interval, StatsError, clustered_t, mcnemar_exact, tango_bounds, wilson

type Word = Literal["better", "worse", "unclear", "unknown"]

WORDS: Mapping[Word, str] = {
    "better": "Better: the whole interval lies above no difference.",
    "worse": "Worse: the whole interval lies below no difference.",
    "unclear": "No clear difference: the interval holds both better and worse.",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One score of the same cases on two sides: `deltas` are new minus old, in the order of `cases`.

    `is_single`: each is the difference of two answers that are 0 or 1. `is_binary`: of means of such answers.
    """

    name: str
    mean_new: float
    mean_old: float
    cases: Sequence[int]
    deltas: Sequence[float]
    is_single: bool
    is_binary: bool
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """What a score says of two sides; `delta` and bounds are above 0 for better, None where nothing can be computed.

    `p_value` says how likely wins and losses lie so far apart by chance (McNemar's exact test, two-sided); only of single 0/1
    answers to cases on their own.
    """

    name: str
    n: int
    mean_new: float
    mean_old: float
    delta: float
    lower: float | None
    upper: float | None
    wins: int
    losses: int
    word: Word
    sentence: str
    p_value: float | None = None


def difference(measured: Measured, clusters: Mapping[int, str], *, alpha: float) -> Difference:
    """The difference with bounds that hold each at the one-sided level `alpha`; cases in one cluster count as one.

    Tango's bounds where each case is one 0/1 answer on its own, else the clustered t: as verdicts are computed.
    """
    sign = 1 if measured.higher_is_better else -1
    deltas = [sign * delta for delta in measured.deltas]
    wins, losses = sum(delta > 0 for delta in deltas), sum(delta < 0 for delta in deltas)
    labels = [clusters.get(case, f"case:{case}") for case in measured.cases]
    try:
        bounds: Interval | None = _bounds(measured, deltas, labels, (wins, losses), alpha)
        sentence = ""
    except StatsError as error:
        bounds, sentence = None, f"No interval: {error}."
    word = _word(bounds)
    return Difference(
        name=measured.name,
        n=len(deltas),
        mean_new=measured.mean_new,
        mean_old=measured.mean_old,
        delta=sign * (measured.mean_new - measured.mean_old),
        lower=bounds.lower if bounds else None,
        upper=bounds.upper if bounds else None,
        wins=wins,
        losses=losses,
        word=word,
        sentence=sentence or WORDS[word],
        p_value=mcnemar_exact(wins, losses) if measured.is_single and len(set(labels)) == len(labels) else None,
    )


def rate_bounds(means: Sequence[float], labels: Sequence[str], *, is_single: bool, alpha: float) -> Interval | None:
    """Bounds of a pass rate from each case's own rate; None where there is too little to say."""
    try:
        if is_single and len(set(labels)) == len(labels):
            return wilson(sum(means), len(means), alpha)
        found = clustered_t(means, labels, alpha, binary=True)
    except StatsError:
        return None
    return Interval(max(0.0, found.lower), min(1.0, found.upper))


def _bounds(
    measured: Measured, deltas: Sequence[float], labels: Sequence[str], changed: tuple[int, int], alpha: float
) -> Interval:
    if len(set(labels)) < 2:
        raise StatsError("fewer than two cases that both answered")
    if measured.is_single and len(set(labels)) == len(labels):
        return tango_bounds(*changed, len(deltas), alpha)
    found = clustered_t(deltas, labels, alpha, binary=measured.is_binary)
    return Interval(max(-1.0, found.lower), min(1.0, found.upper)) if measured.is_binary else found


def _word(bounds: Interval | None) -> Word:
    if bounds is None:
        return "unknown"
    return "better" if bounds.lower > 0 else "worse" if bounds.upper < 0 else "unclear"
