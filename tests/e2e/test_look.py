"""How the main screens look where it matters: what is seen and heard at every width, and what stands still while parts arrive."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from prompts_app.models import CheckState, Prompt
from tests import builders, scenes
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat
from tests.e2e.measures import NARROW, WIDE
from tests.screens import SCREENS, House
from tests.servers import Web

pytestmark = pytest.mark.e2e

COMPACT_PX = 36.5


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """A prompt that is live in production, passed, with a newer version below it that failed; and one that is in staging."""
    cast = make_cast()
    scenes.policy(cast, "production", require_predecessor=False, approvals=0)
    made = builders.prompt(cast.ada, "support/triage")
    first = made.versions.get()
    scenes.suite(cast.olga, made)
    scenes.post(first, cast.environment("production"))
    scenes.go_live(cast, first)
    second = builders.version(cast.ada, made, "Hello again {{ name }}")
    scenes.post(second, cast.environment("development"), CheckState.FAILED)
    scenes.go_live(cast, builders.prompt(cast.ada, "support/summary").versions.get(), "staging")
    return cast


@pytest.fixture
def vera(cast: Cast, web: Web, browser: Browser) -> Iterator[Seat]:
    """Vera, who may only read; her browser must have had nothing to complain about."""
    seat = Seat(browser, web, cast.vera)
    yield seat
    assert seat.complaints == []


def width(of: Locator) -> float:
    box = of.bounding_box()
    assert box is not None
    return box["width"]


def test_board__at_every_width__tells_status_distance_and_since_when(vera: Seat) -> None:
    page = vera.open("/w/acme/")
    row = page.locator("tr.entry", has_text="triage")
    live, below = row.locator("td.main-place .live"), row.locator("td:not(.main-place) .live").first
    plain = page.locator("tr.entry", has_text="summary")
    heard = {}
    for pixels in (WIDE, NARROW):
        page.set_viewport_size({"width": pixels, "height": 900})
        heard[pixels] = live.aria_snapshot()
        assert width(live.locator(".since time")) > 20, "since when is seen"
        assert width(below.locator(".status-word")) > 20, "a failure is a word to see, too"
        assert plain.evaluate("(row) => row.offsetHeight") <= COMPACT_PX

    for said in ("v1", "suite passed", "1 behind", "went live"):
        assert said in heard[WIDE] and said in heard[NARROW]
    assert "suite failed" in below.aria_snapshot() and "went live" in below.aria_snapshot()
    assert width(live.locator(".status-word")) <= 1, "no room for a word of what is well"


def test_parts_of_pages__that_do_not_arrive__leave_the_way_to_them(house: House, web: Web, browser: Browser) -> None:
    seat = Seat(browser, web, house.cast.olga)

    def refuse(route: Route) -> None:
        is_part = route.request.headers.get("hx-request") == "true"
        route.fulfill(status=500, body="<!doctype html><p>No") if is_part else route.continue_()

    seat.page.route("**/*", refuse)
    page = seat.open(house.address("/w/acme/prompts/numbers/echo"))
    expect(page.get_by_text("The server failed (500)")).to_be_visible()
    expect(page.get_by_role("link", name="What they say of v", exact=False)).to_be_visible()
    for view in ("one", "split"):
        page = seat.open(f"/w/acme/prompts/numbers/echo/diff?from=1&to=2&view={view}")
        expect(page.get_by_text("The server failed (500)")).to_be_visible()
        expect(page.get_by_role("link", name="What suites say of the two")).to_be_visible()
    page.get_by_role("link", name="What suites say of the two").click()
    expect(page.get_by_role("heading", name="What suites say")).to_be_visible()


def test_parts_of_pages__answered_before_all_scripts_are_there__are_heard_by_them(
    house: House, web: Web, browser: Browser
) -> None:
    seat = Seat(browser, web, house.cast.olga)

    def answer(route: Route) -> None:
        if route.request.headers.get("hx-request") == "true":
            route.fulfill(status=500, body="<!doctype html><p>No")
            return
        if "/js/app." in route.request.url:
            time.sleep(0.5)
        route.continue_()

    seat.page.route("**/*", answer)
    page = seat.open("/w/acme/prompts/numbers/echo/diff?from=1&to=2&view=split")
    expect(page.get_by_text("The server failed (500)")).to_be_visible()
    expect(page.get_by_label("Evidence")).not_to_contain_text("No")


def test_run__on_a_narrow_screen__has_both_answers_within_its_frame(house: House, web: Web, browser: Browser) -> None:
    seat = Seat(browser, web, house.cast.olga)
    seat.page.set_viewport_size({"width": NARROW, "height": 900})

    page = seat.open(house.address(SCREENS["run"]) + "?status=flipped")

    for side in ("v1", "v2"):
        box = page.locator(f'.cases td[data-label="{side}"] .answer').first.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= NARROW
    drawn = page.locator(".verdict .interval")
    assert width(drawn) > 0.75 * NARROW, "as wide as its box"
    assert seat.complaints == []


def test_stages__once_suites_have_said_more__say_it_too(vera: Seat, cast: Cast) -> None:
    page = vera.open("/w/acme/prompts/support/triage")
    development = page.locator("#stages > li").first
    expect(development).to_contain_text("failed")

    scenes.post(
        builders.version(cast.ada, Prompt.objects.get(name="support/triage"), "Hello, {{ name }}"),
        cast.environment("development"),
    )
    page.evaluate("document.body.dispatchEvent(new CustomEvent('suites-told'))")

    expect(development).to_contain_text("v3")
    expect(development).to_contain_text("passed")
