"""A passkey in a real browser, on an authenticator that the browser plays: made, signed in by, and asked for again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, expect

from registry.core.models import Passkey
from registry.core.signing_in import CONFIRMED
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat
from tests.e2e.measures import faults
from tests.servers import Web, run_web

pytestmark = pytest.mark.e2e

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def people(transactional_db: None) -> Cast:
    """The cast alone."""
    return make_cast()


@pytest.fixture
def named_web(people: Cast, tmp_path: Path) -> Iterator[Web]:
    """A web process at a name: passkeys are bound to one."""
    with run_web(tmp_path, host="localhost") as running:
        yield running


def with_device(page: Page) -> None:
    """Give the browser an authenticator that knows its owner."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})


def let_time_pass() -> None:
    """Every session was begun too long ago for what matters most."""
    for row in Session.objects.all():
        kept = {**row.get_decoded(), CONFIRMED: 0}
        row.session_data = Session.objects.encode(kept)
        row.save()


def test_passkey__made_on_the_page__signs_in_alone_and_confirms(people: Cast, named_web: Web, browser: Browser) -> None:
    seat = Seat(browser, named_web, people.grace)
    with_device(seat.page)

    page = seat.open("/w/acme/settings/security")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_label("Name", exact=True).fill("Laptop of Grace")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    expect(page.locator("#passkeys")).to_contain_text("Laptop of Grace")

    page.context.clear_cookies()
    page = seat.open("/w/acme/settings/security")
    assert list(faults(page)) == []
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/w/acme/settings/security")
    expect(page.locator("#passkeys")).to_contain_text("last used")
    assert Passkey.objects.get().sign_count > 0
    assert list(faults(page)) == []

    let_time_pass()
    page.get_by_role("button", name="Remove Laptop of Grace").click()
    expect(page.get_by_role("button", name="Confirm with a passkey")).to_be_visible()
    assert list(faults(page)) == []
    page.get_by_role("button", name="Confirm with a passkey").click()
    expect(page.locator("[data-toast]")).to_contain_text("you have no second factor any more")
    assert not Passkey.objects.exists()
    assert [one for one in seat.complaints if "status of 403" not in one] == []
    seat.context.close()
