"""The main job in browsers that run no JavaScript: written, tried on a suite, approved, promoted, taken back."""

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, Seat, Stage

pytestmark = pytest.mark.e2e

NAME = "support/for-payments"
FIRST = "Is this for the team of payments? Answer yes or no: {{ message }}"
SECOND = "Is this for the team of payments? One word, yes or no: {{ message }}"
CASES = (("card", "My card was declined", "yes"), ("password", "How do I reset my password", "no"))


def test_story__without_scripts__goes_from_the_first_word_to_going_back(stage: Stage) -> None:
    ada, grace, rosa = (stage.seat(who, scripts=False) for who in ("ada", "grace", "rosa"))
    key = stage.cast.key("service", environment="production")
    fetched = f"{stage.web.url}/api/v1/environments/production/prompts/{NAME}"

    def live() -> int:
        answer = httpx.get(fetched, headers={"Authorization": f"Bearer {key.token}"}, trust_env=False)
        number: int = answer.json()["version"]
        return number

    _write_prompt(ada)
    _write_suite(ada)
    _run_by_hand(ada)
    for number in (1, 2):
        if number == 2:
            ada.open(f"/w/acme/prompts/{NAME}/drafts/edit")
            _save(ada.page, SECOND, version=2)
        _promote(ada, grace, rosa, version=number)
        assert live() == number

    page = rosa.open(f"/w/acme/environments/production/rollback/{NAME}")
    page.get_by_label("Reason").fill("It was better before.")
    page.get_by_role("button", name="Go back to v1").click()
    page.wait_for_url(f"**/prompts/{NAME}")
    assert live() == 1
    assert [seat.complaints for seat in (ada, grace, rosa)] == [[], [], []]


def _write_prompt(seat: Seat) -> None:
    page = seat.open("/w/acme/new")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Kind").select_option("text")
    page.get_by_role("button", name="Write its first version").click()
    _save(page, FIRST, version=1)


def _save(page: Page, text: str, *, version: int) -> None:
    page.locator("textarea[name=text]").fill(text)
    page.get_by_label("What changed, and why?").fill(f"Attempt {version}")
    page.get_by_role("button", name=f"Save as v{version}", exact=True).click()
    page.wait_for_url(f"**/prompts/{NAME}")
    expect(page.locator("main")).to_contain_text(f"v{version}")


def _write_suite(seat: Seat) -> None:
    page = seat.open("/w/acme/new-suite")
    page.get_by_label("Title").fill("About cards")
    page.get_by_label("Slug").fill("cards")
    expect(page.get_by_label("Asked of")).to_have_value(NAME)
    page.get_by_role("button", name="Go on to the cases").click()
    for number, (name, message, expected) in enumerate(CASES, start=1):
        page.get_by_role("button", name="Case", exact=True).click()
        page.get_by_label(f"Key of case {number}", exact=True).fill(name)
        page.get_by_label(f"message of case {number}", exact=True).fill(message)
        page.get_by_label(f"Expected in case {number}", exact=True).fill(expected)
    page.get_by_label("Kind of another scorer").select_option("word_count")
    page.get_by_role("button", name="Scorer", exact=True).click()
    page.get_by_label("Most", exact=True).fill("3")
    page.get_by_role("button", name="Move scorer 2 up").click()
    page.get_by_label("It passes when").select_option("all_pass")
    page.get_by_role("button", name="Save as v1", exact=True).click()
    asked_of = page.locator("#attachments")
    expect(asked_of).to_contain_text("not required")
    asked_of.locator(f"[aria-label='Change how it is asked of {NAME}']").click()
    asked_of.get_by_role("button", name="Require it").click()
    expect(asked_of).to_contain_text("required")
    expect(asked_of).not_to_contain_text("not required")


def _run_by_hand(seat: Seat) -> None:
    page = seat.open(f"/w/acme/runs/new?prompt={NAME}")
    page.get_by_role("button", name="Start", exact=True).click()
    _reload_until(page, "#live", "passed")
    page.locator("#results").get_by_role("link", name="card", exact=True).click()
    expect(page.locator("main")).to_contain_text("My card was declined")


def _promote(ada: Seat, grace: Seat, rosa: Seat, *, version: int) -> None:
    page = ada.open(f"/w/acme/prompts/{NAME}/promotions?version={version}&environment=production")
    page.get_by_role("button", name="Open the promotion").click()
    page.wait_for_url("**/promotions/*")
    path = page.url.removeprefix(ada.url)
    _reload_until(page, "#checks", "passed")
    page = grace.open(path)
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("#conversation")).to_contain_text("approved")
    page = rosa.open(path)
    page.get_by_role("button", name="Promote to Production").click()
    expect(page.locator("main")).to_contain_text("Promoted")


def _reload_until(page: Page, part: str, word: str) -> None:
    """Look again until it says so, as somebody would who waits."""
    for _ in range(4 * PATIENCE_MS // 500):
        if word in page.locator(part).inner_text().lower():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(page.locator("main").inner_text())
