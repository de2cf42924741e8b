"""How far two who judge the same things agree: Cohen's kappa over passed and failed, with its interval. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Fewer labels than this say too little of a judge for a claim that rests on it.
LABELS_NEEDED = 50
_Z = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True)
class Agreement:
    """Of `n` things judged by both: the share on which they agree, and kappa, which leaves out what chance explains.

    None where nothing is known: without labels, or for kappa where neither ever told two things apart. `lower` and
    `upper` are kappa's 95 % bounds.
    """

    n: int
    agreed: float | None = None
    kappa: float | None = None
    lower: float | None = None
    upper: float | None = None

    @property
    def is_enough(self) -> bool:
        """Whether there are enough labels for a claim that rests on the judge."""
        return self.n >= LABELS_NEEDED

    @property
    def missing(self) -> int:
        """How many labels are still needed for that."""
        return max(0, LABELS_NEEDED - self.n)


def agreement(pairs: Iterable[tuple[bool, bool]]) -> Agreement:
    """Of (what one says, what the other says) about the same thing.

    κ = (p_o - p_e) / (1 - p_e), J. Cohen 1960; its variance as J. L. Fleiss, J. Cohen and B. S. Everitt 1969.
    """
    counts = {(one, other): 0 for one in (True, False) for other in (True, False)}
    for pair in pairs:
        counts[pair] += 1
    n = sum(counts.values())
    if not n:
        return Agreement(0)
    share = {pair: count / n for pair, count in counts.items()}
    first = {mark: share[mark, True] + share[mark, False] for mark in (True, False)}
    second = {mark: share[True, mark] + share[False, mark] for mark in (True, False)}
    observed = share[True, True] + share[False, False]
    expected = first[True] * second[True] + first[False] * second[False]
    if math.isclose(expected, 1):
        return Agreement(n, observed)
    kappa = (observed - expected) / (1 - expected)
    half = _Z * math.sqrt(max(0.0, _variance(share, first, second, kappa, expected)) / n)
    return Agreement(n, observed, kappa, max(-1.0, kappa - half), min(1.0, kappa + half))


def _variance(
    share: dict[tuple[bool, bool], float],
    first: dict[bool, float],
    second: dict[bool, float],
    kappa: float,
    expected: float,
) -> float:
    """Of kappa for one thing judged; divided by n it is that of n things."""
    on = sum(share[mark, mark] * (1 - (first[mark] + second[mark]) * (1 - kappa)) ** 2 for mark in (True, False))
    off = (
        sum(share[one, other] * (second[one] + first[other]) ** 2 for one, other in ((True, False), (False, True)))
        * (1 - kappa) ** 2
    )
    return (on + off - (kappa - expected * (1 - kappa)) ** 2) / (1 - expected) ** 2
