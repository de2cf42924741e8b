"""A metric's interval as a drawing: where its bounds, its estimate and its limit lie on an axis. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evals_app.verdict_rules import Unit

WIDTH, HEIGHT = 220.0, 34.0
EDGE = 8.0  # units left free on both sides
ROOM = 0.08  # of the span, added on both sides
LABEL = 26.0  # two labels closer than this would touch
SMALLEST_SPAN = 0.04
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis with its label."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Places from 0 to `width`: bounds, estimate, and the limit that the lower bound has to be right of.

    `zero` is None where the axis is of scores rather than of differences. `words` say the same to who cannot see it.
    """

    lower: float
    upper: float
    point: float
    limit: Tick
    zero: Tick | None
    words: str
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def length(self) -> float:
        """Of the bar between the bounds; never too short to be seen."""
        return max(self.upper - self.lower, 2.0)

    @property
    def good_length(self) -> float:
        """Of what lies right of the limit."""
        return self.width - self.limit.x


def draw_difference(lower: float, upper: float, delta: float, *, margin: float, unit: Unit = "rate") -> Drawing:
    """The difference of two means; better is right. It may be worse by `margin`, or has to be better where that is 0.

    Pass rates differ in points, other scores in their own numbers, and what is compared by ratio in percent.
    """
    axis = _Axis(min(lower, -margin, 0.0), max(upper, margin, 0.0))
    limit, zero = Tick(axis.x(-margin), _label(-margin, unit)), Tick(axis.x(0.0), "0")
    if abs(limit.x - zero.x) < LABEL:
        zero = Tick(zero.x, "")
    if unit == "rate":
        asked = f"at most {margin * 100:g} worse is allowed" if margin else "more than 0 is asked"
        words = f"Difference {signed_points(delta)} points, between {signed_points(lower)} and {signed_points(upper)}; {asked}"
    else:
        words = f"Difference {_label(delta, unit)}, between {_label(lower, unit)} and {_label(upper, unit)}; limit {_label(-margin, unit)}"
    return Drawing(axis.x(lower), axis.x(upper), axis.x(delta), limit, zero, words)


def _label(value: float, unit: Unit) -> str:
    """A difference in short: points, the score's own numbers, or by how much the new value is higher or lower."""
    if unit == "rate":
        value, end = value * 100, ""
    elif unit == "score":
        end = ""
    else:
        value, end = round(math.expm1(-value) * 100, 1), " %"
    sign = MINUS if value < 0 else "+" if value > 0 and unit != "rate" else ""
    return f"{sign}{abs(value):.4g}{end}"


def draw_score(lower: float, upper: float, score: float, *, floor: float) -> Drawing:
    """A pass rate against the floor that it has to reach."""
    axis = _Axis(min(lower, 0.0), max(upper, 1.0), room=0.0)
    words = f"Score {score * 100:.1f} %, between {lower * 100:.1f} and {upper * 100:.1f} %; at least {floor * 100:g} is asked"
    limit = Tick(axis.x(floor), f"{floor * 100:g} %")
    return Drawing(axis.x(lower), axis.x(upper), axis.x(score), limit, None, words)


def signed_points(value: float) -> str:
    """A difference in points with its sign and one decimal; none for zero."""
    points = round(value * 100, 1)
    sign = "+" if points > 0 else MINUS if points < 0 else ""
    return f"{sign}{abs(points):.1f}"


class _Axis:
    """From values to places."""

    def __init__(self, low: float, high: float, *, room: float = ROOM) -> None:
        span = max(high - low, SMALLEST_SPAN)
        self._low = low - room * span
        self._span = span * (1 + 2 * room)

    def x(self, value: float) -> float:
        return round(EDGE + (value - self._low) / self._span * (WIDTH - 2 * EDGE), 1)
