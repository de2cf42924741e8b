"""Suites and runs on a telephone: what is a table elsewhere is read downwards, nothing of it lies out of sight."""

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Seat
from tests.e2e.measures import NARROW
from tests.screens import SCREENS, House
from tests.servers import Web

pytestmark = pytest.mark.e2e

LISTED = ("suites", "suite", "runs", "run", "run_tags", "run_figures")
_SIDEWAYS = """
() => [...document.querySelectorAll(".table-wrap")]
  .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
  .map((one) => `${one.getAttribute("aria-label")}: ${one.scrollWidth} of ${one.clientWidth} px`)
"""


def test_tables__of_suites_and_runs__on_a_narrow_screen__need_no_scrolling_sideways(
    house: House, web: Web, browser: Browser
) -> None:
    seat = Seat(browser, web, house.cast.vera)
    seat.page.set_viewport_size({"width": NARROW, "height": 844})
    found = {}
    for name in LISTED:
        page = seat.open(house.address(SCREENS[name]))
        page.wait_for_load_state("networkidle")
        found[name] = page.evaluate(_SIDEWAYS)

    assert found == {name: [] for name in LISTED}
