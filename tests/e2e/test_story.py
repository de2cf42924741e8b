"""The main job as its users do it: four people in front of real browsers, a worker, a provider, and a service with a key."""

from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PATIENCE_MS, Seat, Stage
from tests.servers import Web

pytestmark = pytest.mark.e2e

NAME = "support/is-it-about-a-card"
QUESTIONS = [f"Message {n}: {'my card was declined' if n % 2 else 'how do I reset my password'}" for n in range(24)]
FIRST = "Is this message about a card? Answer yes or no."
WORSE = f"{FIRST} Think step by step."
BETTER = f"{FIRST} Answer with one word."


def test_story__write_run_refuse_fix_approve_promote_fetch_roll_back__in_a_browser(stage: Stage) -> None:
    key = stage.cast.key("service", environment="production")
    ada, grace, rosa = stage.seat("ada"), stage.seat("grace"), stage.seat("rosa")

    _write_first_version(ada)
    _add_suite(ada)
    promotion = _open_promotion(ada, version=1)
    _wait_for_check(ada.open(promotion), "passed")
    _approve(grace.open(promotion))
    _apply(rosa.open(promotion))
    assert _fetch(stage.web, key.token)["version"] == 1

    _edit(ada, WORSE, version=2)
    refused = _open_promotion(ada, version=2)
    page = ada.open(refused)
    _wait_for_check(page, "failed")
    expect(page.locator("[data-code='check.suite/cards.failed']")).to_be_visible()
    _approve(grace.open(refused))
    expect(rosa.open(refused).get_by_role("button", name="Promote to Production")).to_be_disabled()
    assert _fetch(stage.web, key.token)["version"] == 1

    _edit(ada, BETTER, version=3)
    fixed = _open_promotion(ada, version=3)
    _wait_for_check(ada.open(fixed), "passed")
    _approve(grace.open(fixed))
    _apply(rosa.open(fixed))
    live = _fetch(stage.web, key.token)
    assert live["version"] == 3
    assert live["messages"][0]["content"] == BETTER

    _roll_back(rosa)
    back = _fetch(stage.web, key.token)
    assert (back["version"], back["messages"][0]["content"]) == (1, FIRST)
    assert back["revision"] == live["revision"] + 1
    for seat in (ada, grace, rosa):
        assert seat.complaints == []


def _write_first_version(seat: Seat) -> None:
    page = seat.open("/w/acme/new")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Kind").select_option("chat")
    page.get_by_role("button", name="Write its first version").click()
    _contents(page).first.fill(FIRST)
    page.get_by_role("button", name="Message", exact=True).click()
    page.get_by_label("Role").nth(1).select_option("user")
    _contents(page).nth(1).fill("{{ message }}")
    _save(page, version=1)


def _edit(seat: Seat, text: str, *, version: int) -> None:
    page = seat.open(f"/w/acme/prompts/{NAME}")
    page.get_by_role("link", name="Edit").last.click()
    _contents(page).first.fill(text)
    _save(page, version=version)


def _save(page: Page, *, version: int) -> None:
    page.get_by_label("What changed, and why?").fill(f"Attempt {version}")
    page.get_by_role("button", name=f"Save as v{version}", exact=True).click()
    page.wait_for_url(f"**/prompts/{NAME}")
    expect(page.locator("main")).to_contain_text(f"v{version}")


def _contents(page: Page) -> Any:
    """The editors of the messages, in order."""
    return page.locator("[data-messages] .cm-content")


def _add_suite(seat: Seat) -> None:
    """Twenty-five cases: enough for a margin of 0.10 and not more."""
    cases = [
        {"key": f"c{n}", "variables": {"message": text}, "expected": "yes" if "card" in text else "no"}
        for n, text in enumerate([*QUESTIONS, "Message 24: how do I close my account"])
    ]
    rules = {"scorers": [{"kind": "equals"}], "mode": "non_inferior", "margin": 0.1, "repeats": 1}
    created = httpx.codes.CREATED
    assert _call(seat, "suites", {"slug": "cards", "title": "About cards"}) == created
    assert _call(seat, "suites/cards/versions", {"cases": cases, **rules}) == created
    assert (
        _call(seat, "suites/cards/attachments", {"prompt": NAME, "required": True, "run_on": "new_version"}) == created
    )


def _call(seat: Seat, path: str, body: dict[str, Any]) -> int:
    """The API with the person's own session, as a page's script would."""
    token = next(cookie["value"] for cookie in seat.context.cookies() if cookie["name"] == "csrf")
    headers = {"X-CSRFToken": token, "X-Workspace": "acme", "Origin": seat.url}
    answer = seat.context.request.post(f"{seat.url}/api/v1/{path}", data=body, headers=headers)
    assert answer.ok, answer.text()
    return answer.status


def _open_promotion(seat: Seat, *, version: int) -> str:
    page = seat.open(f"/w/acme/prompts/{NAME}/promotions?version={version}&environment=production")
    page.get_by_role("button", name="Open the promotion").click()
    page.wait_for_url("**/promotions/*")
    return page.url.removeprefix(seat.url)


def _wait_for_check(page: Page, state: str) -> None:
    """Look again until the suite's check says it, as somebody would who waits."""
    for _ in range(4 * PATIENCE_MS // 500):
        expect(page.locator("#evidence[hx-trigger=load]")).to_have_count(0)  # it comes once the page stands
        if state in page.locator("#checks").inner_text().lower():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(page.locator("main").inner_text())


def _approve(page: Page) -> None:
    page.get_by_label("Comment").fill("Reads well.")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("#conversation")).to_contain_text("approved")


def _apply(page: Page) -> None:
    page.get_by_role("button", name="Promote to Production").click()
    expect(page.locator("main")).to_contain_text("Promoted")


def _roll_back(seat: Seat) -> None:
    page = seat.open(f"/w/acme/environments/production/rollback/{NAME}")
    page.get_by_label("Reason").fill("Customers complained about the tone.")
    page.get_by_role("button", name="Go back to v1").click()
    page.wait_for_url(f"**/prompts/{NAME}")


def _fetch(web: Web, token: str) -> dict[str, Any]:
    url = f"{web.url}/api/v1/environments/production/prompts/{NAME}"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert answer.status_code == httpx.codes.OK, answer.text
    body: dict[str, Any] = answer.json()
    return body
