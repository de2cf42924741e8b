"""A run watched in a real browser, and a suite typed in one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from evals_app.scripted_provider import Rule, ScriptedProvider
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import PATIENCE_MS, Seat
from tests.evals import building
from tests.servers import run_web, run_worker

pytestmark = pytest.mark.e2e


@pytest.fixture
def ada(transactional_db: None, browser: Browser, tmp_path: Path) -> Iterator[Seat]:
    """Ada in front of a browser, with a worker and a provider that takes its time and gets case 3 wrong."""
    with ScriptedProvider([Rule(anywhere="Now 3.", answer="four")], latency_s=0.6) as provider:
        allowed = {"OUTBOUND_ALLOW": f"127.0.0.1:{provider.port}"}
        with run_web(tmp_path, **allowed) as web, run_worker(tmp_path, **allowed):
            cast: Cast = make_cast()
            building.add_provider(cast, provider, concurrency=8)
            prompt = builders.prompt(cast.ada, "numbers/echo", text="{{ q }}")
            builders.version(cast.ada, prompt, "Now {{ q }}.")
            building.suite(cast.ada, of=building.cases(40), margin=0.2, scorers=[{"kind": "contains"}])
            yield Seat(browser, web, cast.ada)


def test_run__watched__moves_ends_and_stops_asking(ada: Seat) -> None:
    page = ada.open("/w/acme/runs/new?prompt=numbers/echo")
    page.get_by_label("Compared with").select_option("version:1")
    page.get_by_role("button", name="Start").click()

    live = page.locator("#live")
    expect(live).to_contain_text("of 80 answers", timeout=PATIENCE_MS)
    expect(live.get_by_role("button", name="Cancel")).to_be_visible()
    expect(live).to_contain_text("left", timeout=PATIENCE_MS)
    expect(live).to_contain_text("Passed", timeout=PATIENCE_MS)
    expect(live.locator("svg.interval")).to_be_visible()
    expect(page.locator("#results").get_by_role("link", name="Flipped 1")).to_be_visible(timeout=PATIENCE_MS)

    expect(page.locator("[hx-trigger^=every]")).to_have_count(0, timeout=PATIENCE_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3_500)
    assert asked == []

    page.locator("#results").get_by_role("link", name="Flipped 1").click()
    page.get_by_role("link", name="case-3", exact=True).click()
    expect(page.locator("ins")).to_have_text("four")
    expect(page.get_by_text("worse than v1")).to_be_visible()
    assert ada.complaints == []


def test_suite__typed__is_kept_and_told_its_mistakes_as_one_types(ada: Seat) -> None:
    page = ada.open("/w/acme/suites/numbers/edit")
    key, state = page.get_by_label("Key of case 1", exact=True), page.locator("#draft-state")

    key.fill("")
    expect(state).to_contain_text("Case 1: key is required", timeout=PATIENCE_MS)
    key.fill("first")
    page.get_by_label("Expected in case 1", exact=True).fill("one\ntwo")
    expect(state).to_contain_text("draft kept", timeout=PATIENCE_MS)
    expect(state).not_to_contain_text("required", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Page 2").click()
    page.get_by_role("button", name="Duplicate case 26").click()
    expect(page.get_by_label("Key of case 27", exact=True)).to_have_value("case-25 (2)")

    page.get_by_role("button", name="Save as v2").click()
    expect(page.get_by_role("status").filter(has_text="Version 2 is saved")).to_be_visible()
    expect(page.locator("table.cases")).to_contain_text("first")
    assert ada.complaints == []
