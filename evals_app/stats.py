"""Confidence bounds of the verdict: paired and clustered, one-sided, exact about small numbers.

Everything here takes plain numbers and a one-sided level `alpha` (0.05 means 95 % sure); the order of cases never counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from evals_app.distributions import binomial_cdf, normal_quantile, t_quantile


class StatsError(ValueError):
    """The numbers do not permit a statement: fewer than two clusters, or something that is not a finite number."""


class Interval(NamedTuple):
    """A lower and an upper bound, each at the level given on its own."""

    lower: float
    upper: float


def tango_bounds(b: float, c: float, n: float, alpha: float) -> Interval:
    """Bounds of the difference of two paired pass rates, from `b` wins and `c` losses among `n` cases.

    Score interval of Tango (1998), Statistics in Medicine 17: the root of (b - c - n x) / sqrt(n (2q + x (1 - x))) = z.
    Numbers need not be whole. Raises StatsError for n < 1, negative counts and b + c > n.
    """
    if not (n >= 1 and b >= 0 and c >= 0 and b + c <= n * (1 + 1e-12)):
        raise StatsError("wins and losses must be among at least one case")
    return Interval(_tango_lower(b, c, n, _z(alpha)), -_tango_lower(c, b, n, _z(alpha)))


def is_tango_above(b: float, c: float, n: float, alpha: float, *, least: float) -> bool:
    """Whether the lower bound of `tango_bounds` is at least `least`, asked without looking for the bound itself."""
    z, observed = _z(alpha), (b - c) / n
    if b == c == 0:
        return -z * z / (n + z * z) >= least
    if observed <= -1 or least <= -1:
        return least <= -1
    # What was observed is never below its own bound; where it is 1 the excess there would be 0, for no variance is left.
    return least < observed and _tango_excess(b, c, n, z, least) >= 0


def _tango_lower(b: float, c: float, n: float, z: float) -> float:
    observed = (b - c) / n
    if b == c == 0:
        return -z * z / (n + z * z)
    if observed <= -1:
        return -1.0
    low, high = -1.0, observed  # the excess falls from low to high; halving 60 times leaves the precision of a float
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tango_excess(b, c, n, z, middle) > 0 else (low, middle)
    return low


def _tango_excess(b: float, c: float, n: float, z: float, x: float) -> float:
    """How far the score statistic lies above z where the true difference is x; 0 at the bound."""
    linear = -(b + c) + (2 * n - (b - c)) * x
    q = (math.sqrt(max(0.0, linear * linear + 8 * n * c * x * (1 - x))) - linear) / (4 * n)
    variance = n * (2 * q + x * (1 - x))
    return b - c - n * x - z * math.sqrt(max(0.0, variance))


class Spread(NamedTuple):
    """A mean with its standard error, from so many clusters."""

    mean: float
    error: float
    groups: float


def clustered_spread(deltas: Sequence[float], clusters: Sequence[Hashable]) -> Spread:
    """The mean of `deltas`, one per case, its standard error clustered by the label at the same place.

    Miller (2024), arXiv 2411.00640. Raises StatsError for fewer than two clusters and for a NaN or infinity.
    """
    if not all(math.isfinite(delta) for delta in deltas):
        raise StatsError("a score is not a finite number")
    sizes: dict[Hashable, list[float]] = {}
    for delta, cluster in zip(deltas, clusters, strict=True):
        sizes.setdefault(cluster, []).append(delta)
    groups = len(sizes)
    if groups < 2:
        raise StatsError("fewer than two clusters of cases")
    mean = math.fsum(deltas) / len(deltas)
    squares = [math.fsum(delta - mean for delta in group) ** 2 for group in sizes.values()]
    error = math.sqrt(groups / (groups - 1) * math.fsum(squares)) / len(deltas)
    return Spread(mean, error, groups)


def t_bounds(spread: Spread, alpha: float, *, binary: bool = False) -> Interval:
    """Bounds of a mean by Student's t over the clusters.

    With `binary` (means of 0/1 scores) the half width is never below z²/(G + z²), so that no variance proves nothing.
    """
    half = t_quantile(spread.groups - 1, 1 - alpha) * spread.error
    if binary:
        half = max(half, no_variance_width(spread.groups, alpha))
    return Interval(spread.mean - half, spread.mean + half)


def clustered_t(
    deltas: Sequence[float], clusters: Sequence[Hashable], alpha: float, *, binary: bool = False
) -> Interval:
    """The two together: bounds of the mean of `deltas`, one per case, clustered by the label at the same place."""
    return t_bounds(clustered_spread(deltas, clusters), alpha, binary=binary)


def no_variance_width(groups: float, alpha: float) -> float:
    """How far the truth may lie from a rate of 0 or 1 in so many clusters: z²/(G + z²), as in Wilson's interval."""
    z = _z(alpha)
    return z * z / (groups + z * z)


def wilson(k: float, n: float, alpha: float) -> Interval:
    """Bounds of a pass rate from `k` passes in `n` cases (Wilson 1927). Raises StatsError for n < 1 and k outside 0..n."""
    if not (n >= 1 and 0 <= k <= n):
        raise StatsError("passes must be among at least one case")
    z = _z(alpha)
    rate, width = k / n, z * z / n
    centre = (rate + width / 2) / (1 + width)
    half = z * math.sqrt(rate * (1 - rate) / n + width / (4 * n)) / (1 + width)
    return Interval(max(0.0, centre - half) if k else 0.0, min(1.0, centre + half) if k < n else 1.0)


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided p-value that wins and losses are equally likely (McNemar's test, exact): shown, never gated on."""
    return min(1.0, 2 * binomial_cdf(min(b, c), b + c)) if b + c else 1.0


def holm(count: int, alpha: float, rejects: Callable[[int, float], bool]) -> tuple[tuple[bool, float], ...]:
    """Which of `count` hypotheses fall at family-wise level `alpha` (Holm 1979), each with the level it was tested at last.

    `rejects(index, level)` tests one; it must not reject at a level where it does not at a higher one.
    """
    fallen = [False] * count
    levels = [alpha / max(count, 1)] * count
    while left := [index for index in range(count) if not fallen[index]]:
        level = alpha / len(left)
        now = [index for index in left if rejects(index, level)]
        for index in left:
            levels[index] = level
        for index in now:
            fallen[index] = True
        if not now:
            break
    return tuple(zip(fallen, levels, strict=True))


def level_per_look(alpha: float, looks: int) -> float:
    """The level of each of `looks` tests, so that all of them together err at most at `alpha` (Bonferroni)."""
    return alpha / looks


def may_post_check(looks_used: int, looks: int) -> bool:
    """Whether one more finished run is still a look: after the last one a run is shown, but posts no check."""
    return looks_used < looks


def minimum_size(margin: float, alpha: float, looks: int = 1) -> int:
    """Cases (or clusters) without which `non_inferior` cannot pass even when no case changes: z²(1-margin)/margin."""
    z = _z(level_per_look(alpha, looks))
    return max(2, math.ceil(z * z * (1 - margin) / margin - 1e-9))


def minimum_size_for_floor(floor: float, alpha: float, looks: int = 1) -> int:
    """Cases without which a floor cannot be shown even when every case passes: z² floor/(1-floor)."""
    z = _z(level_per_look(alpha, looks))
    return max(2, math.ceil(z * z * floor / (1 - floor) - 1e-9))


def minimum_size_for_gain(alpha: float, looks: int = 1) -> int:
    """Cases without which `superior` cannot pass even when every case is won: more than z²."""
    z = _z(level_per_look(alpha, looks))
    return max(2, math.floor(z * z) + 1)


def _z(alpha: float) -> float:
    if not 0 < alpha < 0.5:
        raise StatsError("the level must lie between 0 and 0.5")
    return normal_quantile(1 - alpha)
