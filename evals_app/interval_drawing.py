"""A metric's interval as a drawing: where its bounds, its estimate and its limit lie on an axis. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evals_app.verdict_rules import Unit

WIDTH = 100.0  # places are percents of the width that it is drawn in
EDGE = 3.6  # percents left free on both sides
ROOM = 0.08  # of the span, added on both sides
LABEL = 12.0  # two labels closer than this would touch where it is drawn small
SMALLEST_SPAN = 0.04
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis with its label, which stands around it, or beside it: `anchor` is the end of it that is at the place."""

    x: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Places in percents: bounds with their labels, estimate, and the limit that the lower bound has to be right of.

    `zero` is None where the axis is of scores rather than of differences. `words` say the same to who cannot see it.
    """

    lower: Tick
    upper: Tick
    point: float
    limit: Tick
    zero: Tick | None
    words: str

    @property
    def bounds(self) -> tuple[Tick, Tick]:
        """Both ends of the bar."""
        return self.lower, self.upper

    @property
    def length(self) -> float:
        """Of the bar between the bounds; never too short to be seen."""
        return round(max(self.upper.x - self.lower.x, 1.0), 2)

    @property
    def good_length(self) -> float:
        """Of what lies right of the limit."""
        return round(WIDTH - self.limit.x, 2)


def draw_difference(lower: float, upper: float, delta: float, *, margin: float, unit: Unit = "rate") -> Drawing:
    """The difference of two means; better is right. It may be worse by `margin`, or has to be better where that is 0.

    Pass rates differ in points, other scores in their own numbers, and what is compared by ratio in percent.
    """
    axis = _Axis(min(lower, -margin, 0.0), max(upper, margin, 0.0))
    limit, zero = axis.tick(-margin, _label(-margin, unit)), axis.tick(0.0, "0")
    if limit.x == zero.x:
        zero = Tick(zero.x, "")
    elif zero.x - limit.x < LABEL:
        limit, zero = Tick(limit.x, limit.label, "end"), Tick(zero.x, zero.label, "start")
    if unit == "rate":
        asked = f"at most {margin * 100:g} worse is allowed" if margin else "more than 0 is asked"
        words = f"Difference {signed_points(delta)} points, between {signed_points(lower)} and {signed_points(upper)}; {asked}"
    else:
        words = f"Difference {_label(delta, unit)}, between {_label(lower, unit)} and {_label(upper, unit)}; limit {_label(-margin, unit)}"
    low, high = (signed_points(bound) if unit == "rate" else _label(bound, unit) for bound in (lower, upper))
    return Drawing(axis.lower(lower, low), axis.upper(upper, high), axis.x(delta), limit, zero, words)


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
    limit = axis.tick(floor, f"{floor * 100:g} %")
    low, high = axis.lower(lower, f"{lower * 100:.1f}"), axis.upper(upper, f"{upper * 100:.1f} %")
    return Drawing(low, high, axis.x(score), limit, None, words)


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
        return round(EDGE + (value - self._low) / self._span * (WIDTH - 2 * EDGE), 2)

    def tick(self, value: float, label: str) -> Tick:
        """A place with its label, which stays within the drawing."""
        x = self.x(value)
        return Tick(x, label, "end" if x > WIDTH - LABEL / 2 else "start" if x < LABEL / 2 else "middle")

    def lower(self, value: float, label: str) -> Tick:
        """The lower end of a bar: its label stands before it where there is room, else over it."""
        x = self.x(value)
        return Tick(x, label, "end" if x > LABEL else "start")

    def upper(self, value: float, label: str) -> Tick:
        """The upper end: its label stands behind it, or over it."""
        x = self.x(value)
        return Tick(x, label, "start" if x < WIDTH - LABEL else "end")
