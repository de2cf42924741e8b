"""Pages on paper: what they say, whole, without what can only be pressed."""

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Seat
from tests.screens import CHAT, House
from tests.servers import Web

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("browser")]

PAPER = 718  # pixels between the margins of a sheet of A4
PAGES = ("/w/acme/promotions/{promotion}", "/w/acme/runs/{run}", f"{CHAT}/versions/1", "/w/acme/suites/numbers")
_TO_PRESS = """
() => [...document.querySelectorAll("button, .btn, input, select, textarea, nav:not(.crumbs), .side, .topbar")]
  .filter((one) => one.checkVisibility()).map((one) => one.outerHTML.slice(0, 80))
"""
_CUT = """
() => [...document.querySelectorAll(".code pre, .table-wrap, .card, .message-text")]
  .filter((one) => one.checkVisibility() && (one.scrollHeight > one.clientHeight + 2 || one.scrollWidth > one.clientWidth + 2))
  .map((one) => one.outerHTML.slice(0, 80))
"""


def test_pages__on_paper__are_whole_and_have_nothing_to_press(house: House, web: Web, browser: Browser) -> None:
    seat = Seat(browser, web, house.cast.olga)
    found = {}
    for pattern in PAGES:
        page = seat.open(house.address(pattern))
        page.wait_for_function("() => !document.querySelector('[hx-trigger=load]')")
        page.set_viewport_size({"width": PAPER, "height": 1000})
        page.emulate_media(media="print")
        wrong = [line for what in (_TO_PRESS, _CUT) for line in page.evaluate(what)]
        if (scroll := page.evaluate("document.documentElement.scrollWidth")) > PAPER:
            wrong.append(f"scrolls sideways: {scroll} px")
        assert page.locator("h1").is_visible()
        page.emulate_media(media="screen")
        found |= {pattern: wrong} if wrong else {}
    assert found == {}


def test_run__on_paper__shows_what_is_folded_on_the_screen(house: House, web: Web, browser: Browser) -> None:
    seat = Seat(browser, web, house.cast.olga)
    page = seat.open(house.address("/w/acme/runs/{run}"))
    told = page.get_by_text("Candidate asked with")
    assert not told.is_visible()

    page.emulate_media(media="print")

    assert told.is_visible()
