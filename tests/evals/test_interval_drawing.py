"""Where an interval lies on its axis: within the drawing, in order, and on the right side of its limit."""

from hypothesis import given
from hypothesis import strategies as st

from evals_app.interval_drawing import LABEL, WIDTH, Drawing, draw_difference, draw_score, signed_points

differences = st.floats(-1, 1).map(lambda value: round(value, 6))


def hold_together(drawing: Drawing) -> None:
    assert 0 <= drawing.lower.x <= drawing.point <= drawing.upper.x <= WIDTH
    assert 0 <= drawing.limit.x <= WIDTH and drawing.length >= WIDTH / 100 and drawing.good_length >= 0
    assert drawing.lower.anchor == "end" or drawing.lower.x <= LABEL, "a label stays within the drawing"
    assert drawing.upper.anchor == "start" or drawing.upper.x >= WIDTH - LABEL


@given(st.tuples(differences, differences, differences).map(sorted), st.floats(0.001, 0.5))
def test_difference__anywhere__keeps_its_order_and_its_side_of_the_limit(values: list[float], margin: float) -> None:
    lower, delta, upper = values
    drawing = draw_difference(lower, upper, delta, margin=margin)

    hold_together(drawing)
    assert drawing.zero is not None and drawing.limit.x <= drawing.zero.x
    if lower >= -margin + 0.01:
        assert drawing.lower.x >= drawing.limit.x
    if upper <= -margin - 0.01:
        assert drawing.upper.x <= drawing.limit.x


@given(st.tuples(*[st.floats(0, 1)] * 3).map(sorted), st.floats(0.001, 0.999))
def test_score__anywhere__keeps_its_order_and_its_side_of_the_floor(values: list[float], floor: float) -> None:
    lower, score, upper = values
    drawing = draw_score(lower, upper, score, floor=floor)

    hold_together(drawing)
    assert drawing.zero is None
    if lower >= floor + 0.01:
        assert drawing.lower.x >= drawing.limit.x


def test_labels__that_would_touch__stand_on_either_side_of_their_lines() -> None:
    drawing = draw_difference(-0.4, 0.4, 0.0, margin=0.01)
    apart = draw_difference(-0.4, 0.4, 0.0, margin=0.2)
    one = draw_difference(-0.4, 0.4, 0.0, margin=0.0)

    assert (drawing.limit.label, drawing.limit.anchor) == ("\N{MINUS SIGN}1", "end")
    assert drawing.zero is not None and (drawing.zero.label, drawing.zero.anchor) == ("0", "start")
    assert apart.zero is not None and apart.limit.anchor == apart.zero.anchor == "middle"
    assert one.zero is not None and (one.limit.label, one.zero.label) == ("0", ""), "one place is named once"


def test_bounds__of_an_interval__are_written_at_their_ends() -> None:
    points, score = draw_difference(-0.647, -0.395, -0.533, margin=0.1), draw_score(0.7, 0.914, 0.8, floor=0.8)

    minus = "\N{MINUS SIGN}"
    assert [one.label for one in points.bounds] == [f"{minus}64.7", f"{minus}39.5"]
    assert [one.label for one in score.bounds] == ["70.0", "91.4 %"]


def test_words__of_a_difference__say_all_that_is_drawn() -> None:
    words = draw_difference(-0.086, 0.052, -0.0167, margin=0.1).words

    minus = "\N{MINUS SIGN}"
    assert words == f"Difference {minus}1.7 points, between {minus}8.6 and +5.2; at most 10 worse is allowed"
    assert [signed_points(value) for value in (0.0001, -0.0001, 1.0)] == ["0.0", "0.0", "+100.0"]
