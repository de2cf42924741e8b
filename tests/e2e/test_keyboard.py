"""What a prompt engineer and a reviewer do all day, by keyboard alone; wherever the focus is, it can be seen."""

import pytest
from playwright.sync_api import Browser, Page, expect

from prompts_app.models import Approval, PromptVersion
from tests.e2e.conftest import Seat
from tests.screens import House
from tests.servers import Web

pytestmark = pytest.mark.e2e

_FOCUSED = """
() => {
  const at = document.activeElement;
  const name = at.ariaLabel || at.labels?.[0]?.innerText || at.innerText || at.placeholder || "";
  return [name.trim(), at === document.body || at.matches(":focus-visible")];
}
"""


def tab_to(page: Page, *names: str, most: int = 90) -> None:
    """Press Tab until something of one of these names has the focus."""
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        name, is_visible = page.evaluate(_FOCUSED)
        assert is_visible, f"nobody sees that {name!r} has the focus"
        if any(name.startswith(wanted) for wanted in names):
            return
        passed.append(name)
    raise AssertionError(f"Tab leads to none of {names}: {passed}")


def test_prompt_engineer__by_keyboard__finds_edits_saves_and_reads_what_flipped(
    house: House, web: Web, browser: Browser
) -> None:
    seat = Seat(browser, web, house.cast.ada)
    page, keys = seat.open("/w/acme/"), seat.page.keyboard

    keys.press("/")
    keys.type("triage")
    keys.press("Enter")
    page.wait_for_url("**q=triage*")
    expect(page.locator("#board-list tr.entry")).to_have_count(1)
    page.locator("body").press("ArrowDown")
    keys.press("Enter")
    page.wait_for_url("**/prompts/support/triage")

    tab_to(page, "Edit")
    keys.press("Enter")
    page.wait_for_url("**/drafts/edit")
    expect(page.locator(".cm-content").first).to_be_visible()
    tab_to(page, "Text", "Content")
    keys.press("Control+End")
    keys.type(" Be kind.")
    tab_to(page, "What changed, and why?")
    keys.type("Kindness")
    keys.press("Control+s")
    page.wait_for_url("**/prompts/support/triage")
    newest = PromptVersion.objects.filter(prompt=house.prompt).order_by("-number")[0]
    assert "Be kind." in newest.to_json()["text"]

    tab_to(page, "Runs")
    keys.press("Enter")
    page.wait_for_url("**/runs")
    run = f"/runs/{house.evaluated.run.pk}"
    for _ in range(10):
        if (page.evaluate("document.activeElement.pathname") or "").endswith(run):
            break
        keys.press("j")
    keys.press("Enter")
    page.wait_for_url(f"**{run}")
    tab_to(page, "Flipped")
    keys.press("Enter")
    page.wait_for_url("**status=flipped*")
    expect(page.locator("[data-rows] [data-row]")).to_have_count(1)
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url("**/cases/4*")
    expect(page.get_by_text("worse than v1")).to_be_visible()
    assert seat.complaints == []


def test_reviewer__by_keyboard__reads_the_evidence_and_approves(house: House, web: Web, browser: Browser) -> None:
    seat = Seat(browser, web, house.cast.grace)
    page, keys = seat.open("/w/acme/"), seat.page.keyboard

    tab_to(page, "Reviews")
    keys.press("Enter")
    page.wait_for_url("**/reviews")
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url("**/promotions/*")
    expect(page.locator("#checks")).to_contain_text("Numbers")
    tab_to(page, "Comment")
    keys.type("Reads well.")
    tab_to(page, "Approve")
    keys.press("Enter")
    expect(page.locator("#conversation")).to_contain_text("approved")
    expect(page.locator("#conversation")).to_contain_text("Reads well.")

    assert Approval.objects.filter(member=house.cast.grace.member_id, vote="approve").exists()
    assert seat.complaints == []
