"""A real Chromium in front of real processes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from registry.core.actions.sessions import create_sign_in_link
from registry.core.actor import Actor
from registry.core.models import Member
from tests.servers import Web, run_web

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the run: the one `make test` found, else the one on the path."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    # Playwright's loop marks this thread as asynchronous; the tests themselves are not.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    """A web process over this test's database."""
    with run_web(tmp_path) as running:
        yield running


class Seat:
    """Somebody in front of a browser of their own; what the page complains about is kept in `complaints`."""

    def __init__(self, browser: Browser, web: Web, actor: Actor) -> None:
        self.context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 900})
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.url = web.url
        token = create_sign_in_link(Member.objects.get(pk=actor.member_id).user)
        self.page.goto(f"{web.url}/sign-in/{token}")
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/w/**")

    def open(self, path: str) -> Page:
        """Go to an address of the server."""
        self.page.goto(f"{self.url}{path}")
        return self.page
