"""What every page draws the same way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.template import engines
from django.utils import timezone

from registry.core.templatetags import ui

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


def drawn(source: str, **context: Any) -> str:
    return engines["django"].from_string(source).render(context)


def test_icon__without_label__is_hidden_from_screen_readers() -> None:
    html = drawn('{% icon "check" %}')

    assert 'aria-hidden="true"' in html
    assert "vendor/icons" in html and '#check"' in html


def test_icon__with_label__is_an_image_with_that_name() -> None:
    html = drawn('{% icon "check" label=text %}', text='"done"')

    assert 'role="img" aria-label="&quot;done&quot;"' in html


@pytest.mark.parametrize("state", ui.LOOKS)
def test_status__every_state__has_icon_word_and_tone(state: str) -> None:
    html = drawn("{% status state pill=True %}", state=state)

    assert f'data-tone="{ui.LOOKS[state].tone}"' in html
    assert f"#{ui.LOOKS[state].icon}" in html and ui.LOOKS[state].word in html


def test_status__unknown_state__is_shown_by_its_own_name_and_escaped() -> None:
    assert "Being &lt;odd&gt;" in drawn("{% status state %}", state="being_<odd>")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=45), "45 s ago"),
        (timedelta(minutes=61), "1 h ago"),
        (timedelta(days=12), "12 d ago"),
        (timedelta(days=60), "4 Jan 2026"),
        (timedelta(minutes=-5), "in 5 min"),
    ],
)
def test_ago__some_distance__is_said_in_its_largest_unit_with_the_exact_time(before: timedelta, words: str) -> None:
    with time_machine.travel(NOW, tick=False):
        html = drawn("{% ago when %}", when=NOW - before)

    assert f">{words}</time>" in html
    assert f'datetime="{(NOW - before):%Y-%m-%dT%H:%M:%SZ}"' in html


def test_ago__nothing__says_so() -> None:
    assert "never" in drawn("{% ago when %}", when=None)


def test_sentence__number_and_unit__stay_on_one_line_and_the_rest_is_escaped() -> None:
    html = drawn("{{ text|sentence }}", text="Worse by 10.0 points (95 % sure, 60 <b>cases</b>) in 40 ms")

    assert html == "Worse by 10.0\xa0points (95\xa0% sure, 60 &lt;b&gt;cases&lt;/b&gt;) in 40\xa0ms"


@pytest.mark.parametrize(("value", "said"), [(True, "yes"), (False, "no"), ([], "none"), (14, "14"), ("a", "a")])
def test_plainly__value_of_a_rule__is_said_without_json(value: object, said: str) -> None:
    assert ui.plainly(value) == said


def test_environment__hostile_name__is_escaped() -> None:
    assert "&lt;script&gt;" in drawn("{% environment name color %}", name="<script>", color="amber")


def test_person__name_or_address__has_initials_and_the_same_colour_each_time() -> None:
    first, second = drawn("{% person name %}", name="Ada Lovelace"), drawn("{% person name %}", name="Ada Lovelace")

    assert first == second
    assert ">AL</span>Ada Lovelace" in first
    assert ">?</span>" in drawn("{% person name %}", name="")


def test_visible__bidirectional_and_zero_width_characters__are_named_and_the_rest_is_escaped() -> None:
    html = drawn("{{ text|visible }}", text="a<b\u202e\u200b\U000e0041\n\tend")

    assert html.startswith("a&lt;b")
    assert html.count('class="invisible"') == 3
    assert "U+202E" in html and "right-to-left override" in html and "U+E0041" in html
    assert "hidden tag text “A”" in html
    assert html.endswith("\n\tend")


def test_moments__as_programs_write_them__stand_in_the_readers_zone() -> None:
    with timezone.override("Europe/Berlin"):
        shown = ui.moments(ui.visible("Frozen until 2030-01-31 09:00 UTC: <2030-02-31 09:00 UTC>"))

    assert (
        shown.startswith('Frozen until <time datetime="2030-01-31T09:00:00Z"')
        and ">31 Jan 2030, 10:00 CET</time>: " in shown
    )
    assert shown.endswith("&lt;2030-02-31 09:00 UTC&gt;")
