"""A fresh installation, as its first person meets it: from the link that the server prints to a service that fetches a prompt."""

import re
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from registry.core.actions.invitations import found_by_invitation
from tests.e2e.conftest import PATIENCE_MS
from tests.servers import Web

pytestmark = pytest.mark.e2e

PASSWORD = "lanterns over a quiet harbour"


@pytest.fixture
def page(transactional_db: None, web: Web, browser: Browser) -> Page:
    """A browser of somebody whom nobody knows yet."""
    opened = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    opened.set_default_timeout(PATIENCE_MS)
    return opened


def test_first_use__from_the_printed_link__leads_step_by_step_to_a_first_fetch(page: Page, web: Web) -> None:
    board = f"{web.url}/"
    page.goto(web.url + urlsplit(found_by_invitation()).path)
    page.get_by_label("Your name").fill("Mara Lind")
    page.get_by_label("E-mail address").fill("mara@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Name of the workspace").fill("Support Team")
    page.get_by_role("button", name="Make the workspace").click()
    page.wait_for_url("**/w/support-team/")

    page.get_by_role("link", name="Write one").click()
    page.get_by_label("Name").fill("support/triage")
    page.get_by_label("Kind").select_option("text")
    page.get_by_role("button", name="Write its first version").click()
    page.locator(".cm-content").first.fill("Sort this message: {{ message }}")
    page.get_by_label("What changed, and why?").fill("First words")
    page.get_by_role("button", name="Save as v1", exact=True).click()
    expect(page.locator("main")).to_contain_text("Next: say what good answers are")

    page.goto(board)
    page.get_by_role("button", name="Skip this step").click()
    page.get_by_role("link", name="Promote support/triage to Staging").click()
    page.get_by_role("button", name="Open the promotion").click()
    page.get_by_role("button", name="Promote to Staging").click()
    expect(page.locator("main")).to_contain_text("Promoted")

    page.goto(board)
    page.get_by_role("link", name="Make a key").click()
    expect(page.get_by_label("Environment", exact=False).first).to_have_value("staging")
    page.get_by_label("Name").fill("checkout")
    page.get_by_role("button", name="Make the key").click()
    command = page.locator("#fetch-command").inner_text()
    page.wait_for_load_state()  # widths are those of the styles
    assert page.evaluate("document.documentElement.scrollWidth") == 1280, "the key and its copy button stay in sight"

    found = re.fullmatch(r'curl -H "Authorization: (Bearer \S+)" (\S+)', command)
    assert found is not None, command
    address = web.url + urlsplit(found[2]).path
    answer = httpx.get(address, headers={"Authorization": found[1]}, trust_env=False)
    assert answer.json()["text"] == "Sort this message: {{ message }}"
    for _ in range(4 * PATIENCE_MS // 500):
        page.goto(board)
        if page.get_by_role("link", name="Promote support/triage to Production").is_visible():
            break
        page.wait_for_timeout(500)
    expect(page.locator(".steps [data-now]")).to_contain_text("Promote to Production")
    page.get_by_role("button", name="Hide these steps").click()
    expect(page.get_by_role("heading", name="First steps")).to_be_hidden()
