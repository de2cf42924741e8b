"""The frame of the product in a real browser: the palette, the board by keyboard alone, and people who come and go."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from prompts_app.actions.prompts import create_prompt
from registry.core.models import Member
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat
from tests.servers import Web

pytestmark = pytest.mark.e2e

PASSWORD = "lanterns over a quiet harbour"


@pytest.fixture
def people(transactional_db: None) -> Cast:
    """The cast, and some prompts in folders."""
    cast = make_cast()
    made = builders.prompt(cast.ada, "support/triage")
    builders.version(cast.ada, made, "Hello again {{ name }}")
    builders.prompt(cast.ada, "support/summary")
    create_prompt(cast.ada, "billing/intent", kind="chat")
    return cast


@pytest.fixture
def olga(people: Cast, web: Web, browser: Browser) -> Iterator[Seat]:
    """Olga, who owns the workspace; her browser must have had nothing to complain about."""
    seat = Seat(browser, web, people.olga)
    yield seat
    assert seat.complaints == []


def path(page: Page) -> str:
    return urlsplit(page.url).path


def test_palette__by_keyboard_alone__finds_says_how_much_and_goes_there(olga: Seat) -> None:
    page = olga.open("/w/acme/reviews")
    palette = page.get_by_role("dialog", name="Command palette")

    page.keyboard.press("Control+k")
    expect(palette).to_be_visible()
    expect(palette.get_by_role("option", name="Promotions g m")).to_be_visible()
    page.keyboard.type("triage v2")
    expect(palette.locator("[data-said]")).to_contain_text("result")
    field = palette.get_by_role("combobox")
    first = palette.get_by_role("option", name="support/triage v2", exact=False).first
    expect(first).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == first.get_attribute("id")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/support/triage/versions/2")

    page.keyboard.press("Control+k")
    page.keyboard.type("nothing of the kind")
    expect(palette.locator("[data-said]")).to_have_text("Nothing fits")
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()

    page.keyboard.press("Control+k")
    page.keyboard.type("promote triage")
    expect(palette.get_by_role("option", name="Promote support/triage v2…")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/support/triage/promotions**")


def test_keys__alone__go_places_move_through_the_board_and_fold_it(olga: Seat) -> None:
    page = olga.open("/w/acme/promotions")

    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/w/acme/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Search everything")
    page.keyboard.press("Escape")

    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search prompts")).to_be_focused()
    page.keyboard.type("sup")
    expect(page.locator("#board-list tr.entry")).to_have_count(2)
    assert "q=sup" in page.url
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="summary", exact=True)).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="triage", exact=True)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/support/summary")

    olga.open("/w/acme/")
    page.get_by_role("button", name="Fold support").press("Enter")
    expect(page.get_by_role("link", name="triage", exact=True)).to_be_hidden()
    page.reload()
    expect(page.get_by_role("link", name="triage", exact=True)).to_be_hidden()
    expect(page.get_by_role("link", name="intent", exact=True)).to_be_visible()


def test_people__invited_by_a_link__come_in_and_are_deactivated_after_a_look(
    olga: Seat, people: Cast, browser: Browser
) -> None:
    page = olga.open("/w/acme/settings/members")
    page.get_by_label("Role", exact=True).first.select_option("editor")
    page.get_by_label("For whom").fill("Nina")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#invitation-link").inner_text()

    guest = browser.new_context().new_page()
    guest.goto(f"{olga.url}{urlsplit(link).path}")
    guest.get_by_label("Your name").fill("Nina")
    guest.get_by_label("E-mail address").fill("nina@example.com")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Make the account and join").click()
    guest.wait_for_url("**/w/acme/")
    expect(guest.locator("[data-toast]")).to_contain_text("You are in Acme, as editor")

    page = olga.open("/w/acme/settings/members")
    page.get_by_role("row", name="Nina").get_by_role("link", name="Deactivate").click()
    expect(page.get_by_role("heading", name="Deactivate Nina?")).to_be_visible()
    page.get_by_role("button", name="Deactivate Nina").click()
    expect(page.locator("[data-toast]")).to_contain_text("Nina is deactivated")
    assert not Member.objects.get(user__email="nina@example.com").is_active
    guest.reload()
    expect(guest.get_by_role("heading", name="There is no such workspace")).to_be_visible()
    assert path(guest) == "/w/acme/"
