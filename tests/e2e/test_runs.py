"""A run watched in a real browser, and a suite typed in one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from evals_app.scripted_provider import Rule, ScriptedProvider
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import PATIENCE_MS, Seat
from tests.evals import building
from tests.screens import House
from tests.servers import Web, run_web, run_worker

pytestmark = pytest.mark.e2e


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """One that takes its time and gets case 3 wrong."""
    with ScriptedProvider([Rule(anywhere="Now 3.", answer="four")], latency_s=0.6) as made:
        yield made


@pytest.fixture
def ada(transactional_db: None, provider: ScriptedProvider, browser: Browser, tmp_path: Path) -> Iterator[Seat]:
    """Ada in front of a browser, with a worker and the provider."""
    allowed = {"OUTBOUND_ALLOW": f"127.0.0.1:{provider.port}"}
    with run_web(tmp_path, **allowed) as web, run_worker(tmp_path, **allowed):
        cast: Cast = make_cast()
        building.add_provider(cast, provider, concurrency=8, timeout_s=300)
        prompt = builders.prompt(cast.ada, "numbers/echo", text="{{ q }}")
        builders.version(cast.ada, prompt, "Now {{ q }}.")
        building.suite(cast.ada, of=building.cases(40), margin=0.2, scorers=[{"kind": "contains"}])
        yield Seat(browser, web, cast.ada)


def late(route: Route) -> None:
    """Gives a file out a second after it is asked for."""
    time.sleep(1)
    route.continue_()


def _is_quiet(page: Page, asked: list[str]) -> bool:
    """Whether nothing is asked for longer than the page waits anywhere; what was under way may have come before."""
    asked.clear()
    page.wait_for_timeout(3_500)
    return not asked


def test_run__watched__moves_ends_and_stops_asking(ada: Seat, provider: ScriptedProvider) -> None:
    provider.holds = "Now 39."  # it goes on until that was looked at
    page = ada.open("/w/acme/runs/new?prompt=numbers/echo")
    streams: list[str] = []
    page.on("request", lambda request: request.url.endswith("/events") and streams.append(request.url))
    page.route("**/htmx-sse*.js", late)  # htmx has looked at the page before its extension for streams is there
    page.get_by_label("Compared with").select_option("version:1")
    page.get_by_role("button", name="Start").click()

    live = page.locator("#live")
    expect(live).to_contain_text("of 80 answers")
    expect(live.get_by_role("button", name="Cancel")).to_be_visible()
    expect(live).to_contain_text("left", timeout=4 * PATIENCE_MS)  # a worker's first question takes its time
    provider.holds = ""
    expect(live).to_contain_text("Passed")
    expect(live.locator("svg.interval")).to_be_visible()
    expect(page.locator("#results").get_by_role("link", name="Flipped 1")).to_be_visible()

    expect(page.locator("#results[hx-trigger]")).to_have_count(0)
    assert len(streams) == 1
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert any(_is_quiet(page, asked) for _ in range(5)), asked

    # Picked, found and opened without leaving the page, by mouse and by keyboard.
    rows = page.locator("#results [data-row]")
    page.locator("#results").get_by_role("link", name="Flipped 1").click()
    page.wait_for_url("**/runs/*?status=flipped")
    expect(rows).to_have_count(1)
    page.locator("#results").get_by_role("link", name="All 40").click()
    expect(rows).to_have_count(40)
    page.get_by_role("searchbox", name="Cases with this").fill("FOUR")
    expect(rows).to_have_count(1)
    expect(page.get_by_role("searchbox", name="Cases with this")).to_be_focused()
    page.locator("#figures").scroll_into_view_if_needed()
    expect(page.get_by_role("region", name="Cases by what became of them")).to_contain_text("got worse")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/4?*")
    expect(page.locator("ins")).to_have_text("four")
    expect(page.get_by_text("worse than v1")).to_be_visible()
    page.get_by_role("link", name="Request and response of v2").click()
    expect(page.get_by_text("The very bytes that were sent")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Now 3.")
    assert ada.complaints == []


def test_part_of_a_page__opened_while_a_run_goes_on__stays_open_and_filled_in(
    house: House, web: Web, browser: Browser
) -> None:
    page = Seat(browser, web, house.cast.olga).open("/w/acme/prompts/numbers/echo/checks")
    page.get_by_text("Attach a suite").click()
    page.get_by_label("Suite", exact=True).select_option("few")

    page.evaluate("document.addEventListener('htmx:after:swap', () => { window.taken = (window.taken || 0) + 1; })")
    page.wait_for_function("() => window.taken >= 2")
    expect(page.get_by_label("Suite", exact=True)).to_be_visible()
    expect(page.get_by_label("Suite", exact=True)).to_have_value("few")


def test_scorers__of_a_suite__are_added_moved_tried_and_removed_in_place(ada: Seat) -> None:
    page = ada.open("/w/acme/suites/numbers/edit")
    kind = page.locator("#scorer-0-kind")

    page.get_by_label("Kind of another scorer").select_option("word_count")
    page.get_by_role("button", name="Scorer", exact=True).click()
    page.locator("#scorer-1-o-most").fill("9")
    page.get_by_role("button", name="Move scorer 2 up").click()
    expect(kind).to_have_value("word_count")
    expect(page.locator("#scorer-0-o-most")).to_have_value("9")
    page.locator("#scorer-1-kind").focus()
    page.locator("#scorer-1-kind").select_option("equals")
    expect(page.locator("[name=scorer-1-o-exact]")).to_be_attached()
    expect(page.locator("#scorer-1-kind")).to_be_focused()
    page.get_by_label("Output", exact=True).fill("two")
    page.locator("#id_try_expected").fill("three")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.locator("#tried")).to_contain_text("The output does not pass")
    expect(page.locator("#scorer-0 .card-head")).to_contain_text("passes")
    page.get_by_role("button", name="Remove scorer 1").click()
    expect(kind).to_have_value("equals")

    page.get_by_role("button", name="Save as v2").click()
    expect(page.get_by_role("status").filter(has_text="Version 2 is saved")).to_be_visible()
    assert ada.complaints == []


def test_suite__typed__is_kept_and_told_its_mistakes_as_one_types(ada: Seat) -> None:
    page = ada.open("/w/acme/suites/numbers/edit")
    key, state = page.get_by_label("Key of case 1", exact=True), page.locator("#draft-state")

    key.fill("case-2")
    expect(state).to_contain_text("Case 1: key is the key of another case too")
    key.fill("first")
    page.get_by_label("Expected in case 1", exact=True).fill("one\ntwo")
    expect(state).to_contain_text("draft kept")
    expect(state).not_to_contain_text("another case")
    # Where the margin is chosen it says what that margin takes.
    margin, note = page.locator("input[name=margin]"), page.locator("#size-note")
    expect(note).to_contain_text("Large enough to be required: 40")
    margin.fill("0.05")
    expect(note).to_contain_text("at least 52 cases")
    margin.fill("0.2")
    expect(note).to_contain_text("Large enough")
    page.get_by_role("button", name="Page 2").click()
    page.get_by_role("button", name="Duplicate case 26").click()
    expect(page.get_by_label("Key of case 27", exact=True)).to_have_value("case-25 (2)")

    page.get_by_role("button", name="Save as v2").click()
    expect(page.get_by_role("status").filter(has_text="Version 2 is saved")).to_be_visible()
    expect(page.locator("table.cases")).to_contain_text("first")
    assert ada.complaints == []
