"""Places of bars and lines in drawings of distributions and of scores over versions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 360.0
LEFT, RIGHT = 8.0, 8.0
BAR_HEIGHT = 46.0
LANE = 64.0  # one side's bars with room for its name above
AXIS = 18.0
SHARES_WIDTH = 720.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin of a histogram."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One side's bars on their base line; `name_y` is where its name stands."""

    bars: tuple[Bar, ...]
    base: float
    name_y: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis with its value."""

    x: float
    value: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin in numbers: from, up to (None for no end), and how many answers of each side lie in it."""

    start: float
    end: float | None
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Two sides on one axis, the older above; `bins` are the same as numbers, those without answers left out."""

    old: Lane
    new: Lane
    ticks: tuple[Tick, ...]
    bins: tuple[Bin, ...]
    width: float
    height: float
    axis_y: float

    @property
    def single_height(self) -> float:
        """Of the newer side alone with its axis; it begins below the older one's base line."""
        return self.height - self.old.base


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a bar that is cut into shares: what it is of, how many, and where it lies."""

    name: str
    count: int
    x: float
    width: float


def draw_shares(counts: Sequence[tuple[str, int]], *, width: float = SHARES_WIDTH) -> tuple[Share, ...]:
    """A bar of the whole width, cut by counts; what counts nothing takes no room."""
    total = sum(count for _, count in counts) or 1
    shares, x = [], 0.0
    for name, count in counts:
        length = width * count / total
        shares.append(Share(name, count, round(x, 1), round(length, 1)))
        x += length
    return tuple(shares)


def draw_histogram(top: float, old: Sequence[int] | None, new: Sequence[int] | None) -> Histogram:
    """Answers by bin from 0 to `top`, the last number of each side being those above it.

    Heights are shares of the side's answers, so that sides with unlike numbers of answers compare.
    """
    size = len(old or new or (0,))
    olds, news = tuple(old or (0,) * size), tuple(new or (0,) * size)
    most = max(_share(olds), _share(news), 1e-9)
    width = (WIDTH - LEFT - RIGHT) / size
    edges = [top * number / (size - 1) if size > 1 else 0.0 for number in range(size)]
    ticks = (
        Tick(LEFT, 0.0, "start"),
        Tick(LEFT + width * (size - 1) / 2, top / 2, "middle"),
        Tick(LEFT + width * (size - 1), top, "end"),
    )
    bins = tuple(
        Bin(edges[n], edges[n + 1] if n + 1 < size else None, olds[n], news[n])
        for n in range(size)
        if olds[n] or news[n]
    )
    return Histogram(
        old=_lane(olds, most, width, LANE),
        new=_lane(news, most, width, 2 * LANE),
        ticks=ticks,
        bins=bins,
        width=WIDTH,
        height=2 * LANE + AXIS,
        axis_y=2 * LANE + AXIS - 5,
    )


def _share(counts: Sequence[int]) -> float:
    return max(counts, default=0) / (sum(counts) or 1)


def _lane(counts: Sequence[int], most: float, width: float, base: float) -> Lane:
    total = sum(counts) or 1
    bars = []
    for number, count in enumerate(counts):
        if count:
            height = max(count / total / most * BAR_HEIGHT, 1.0)
            x = round(LEFT + number * width, 1)
            bars.append(Bar(x, round(base - height, 1), round(width - 1, 1), round(height, 1)))
    return Lane(tuple(bars), base, base - BAR_HEIGHT - 5)
