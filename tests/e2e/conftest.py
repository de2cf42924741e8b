"""A real Chromium in front of real processes."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from evals_app.scripted_provider import Rule, ScriptedProvider
from registry.core.actions.sessions import create_sign_in_link
from registry.core.actor import Actor
from registry.core.models import Member
from tests import scenes
from tests.builders import Cast, make_cast
from tests.e2e.measures import screenshots
from tests.evals import building
from tests.screens import House, furnished
from tests.servers import Web, run_web, run_worker

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
ONE_LINK_AT_A_TIME = threading.Lock()  # a newer link of the same person ends those before


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says where the pictures are, where this run made some."""
    if any("test_pictures" in report.nodeid for report in terminalreporter.getreports("passed")):
        terminalreporter.write_line(f"Pictures of the main screens are in {screenshots()}.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium for the thread that asks: the one `make test` found, else the one on the path."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the run."""
    # Playwright's loop marks this thread as asynchronous; the tests themselves are not.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with chromium() as launched:
        yield launched
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def nobody_stays(browser: Browser) -> Iterator[None]:
    """What a test leaves open asks nothing while the next one runs."""
    yield
    leave(browser)


@pytest.fixture(scope="package")
def web_process(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One web process for all tests that need no other: it keeps nothing that another workspace could meet."""
    with run_web(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def web(transactional_db: None, web_process: Web, browser: Browser) -> Iterator[Web]:
    """A web process over this test's database; afterwards no page is open that would go on asking it, and none has asked."""
    yield web_process
    leave(browser)
    at_rest, ends = 0, time.monotonic() + PATIENCE_MS / 1000
    while at_rest < 3 and time.monotonic() < ends:  # what was asked last may be on its way still
        time.sleep(0.05)
        at_rest = 0 if working() else at_rest + 1


def leave(browser: Browser) -> None:
    """Close every page, cut off first: an editor sends behind itself what it has not kept."""
    for context in browser.contexts:
        context.set_offline(True)
        context.close()


def working() -> int:
    """How many other processes are in the middle of something in this test's database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state <> 'idle'"
        )
        [(number,)] = cursor.fetchall()
    return int(number)


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for something outside of the browser."""
    ends = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < ends:
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(what)


def told(page: Page, text: str) -> None:
    """What a toast says."""
    expect(page.locator("[data-toast]").filter(has_text=text)).to_be_visible()


class Seat:
    """Somebody in front of a browser of their own; what the page complains about is kept in `complaints`.

    Signed in as `actor`; nobody where there is none. With `scripts` off the browser runs no JavaScript.
    """

    def __init__(self, browser: Browser, web: Web, actor: Actor | None = None, *, scripts: bool = True) -> None:
        size: ViewportSize = {"width": 1280, "height": 900}
        self.context: BrowserContext = browser.new_context(viewport=size, java_script_enabled=scripts)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.url = web.url
        if actor is not None:
            self._sign_in(actor)

    def _sign_in(self, actor: Actor) -> None:
        with ONE_LINK_AT_A_TIME:
            token = create_sign_in_link(Member.objects.get(pk=actor.member_id).user)
            self.page.goto(f"{self.url}/sign-in/{token}")
            self.page.get_by_role("button", name="Sign in").click()
            self.page.wait_for_url("**/w/**")

    def open(self, path: str) -> Page:
        """Go to an address of the server."""
        self.page.goto(f"{self.url}{path}")
        return self.page


# The scripted model loses its brevity when it is told to think.
RULES = (
    Rule(anywhere="step by step", contains="card", answer="The message mentions a card, so: yes"),
    Rule(contains="card", answer="yes"),
    Rule(answer="no"),
)


@dataclass(frozen=True)
class Stage:
    """Everything that runs for the whole story: a provider, a web process, a worker."""

    web: Web
    cast: Cast
    browser: Browser

    def seat(self, who: str, *, scripts: bool = True) -> Seat:
        """One of the cast, signed in."""
        return Seat(self.browser, self.web, getattr(self.cast, who), scripts=scripts)


@pytest.fixture
def stage(transactional_db: None, browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """A workspace whose production takes promotions straight from anywhere."""
    with ScriptedProvider(RULES) as provider:
        allowed = {"OUTBOUND_ALLOW": f"127.0.0.1:{provider.port}"}
        with run_web(tmp_path, **allowed) as web, run_worker(tmp_path, **allowed):
            cast = make_cast()
            scenes.policy(cast, "production", require_predecessor=False)
            building.add_provider(cast, provider)
            yield Stage(web, cast, browser)


@pytest.fixture
def house(transactional_db: None) -> Iterator[House]:
    """A workspace in which each page has something to show."""
    with furnished(make_cast()) as made:
        yield made
