"""The frame of the product in a real browser: the palette, the board by keyboard alone, and people who come and go."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, Route, expect

from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.prompts import create_prompt
from prompts_app.models import PendingPrompts, Prompt
from registry.core.models import Member, Notification
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat
from tests.e2e.measures import faults
from tests.scenes import policy
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
    expect(field).to_have_attribute("aria-activedescendant", first.get_attribute("id") or "none")
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


def test_palette__asked_faster_than_it_answers__goes_where_the_whole_text_leads(olga: Seat) -> None:
    page = olga.open("/w/acme/reviews")

    def slowly(route: Route) -> None:
        page.wait_for_timeout(1000)
        route.continue_()

    page.route("**/search?*palette=1", slowly)
    page.keyboard.press("Control+k")
    page.keyboard.type("triage v2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/support/triage/versions/2")


def test_keys__alone__go_places_move_through_the_board_and_fold_it(olga: Seat) -> None:
    page = olga.open("/w/acme/promotions")

    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/w/acme/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Search everything")
    page.keyboard.press("Escape")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search prompts")).to_be_focused()
    page.keyboard.type("sup")
    expect(page.locator("#board-list tr.entry")).to_have_count(2)
    assert "q=sup" in page.url
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="support/summary", exact=True)).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="support/triage", exact=True)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/support/summary")
    assert len([url for url in asked if "q=sup" in url]) == 1  # leaving the field asks for nothing

    olga.open("/w/acme/")
    page.get_by_role("button", name="Fold support").press("Enter")
    expect(page.get_by_role("link", name="support/triage", exact=True)).to_be_hidden()
    page.reload()
    expect(page.get_by_role("link", name="support/triage", exact=True)).to_be_hidden()
    expect(page.get_by_role("link", name="billing/intent", exact=True)).to_be_visible()
    page.get_by_role("searchbox", name="Search prompts").fill("support/tri")
    expect(page.get_by_role("link", name="support/triage", exact=True)).to_be_visible()  # also out of a folded folder


def test_keys__answer_that_comes_after_one_has_gone_on_to_the_rows__leaves_the_focus_there(olga: Seat) -> None:
    page = olga.open("/w/acme/")
    held: list[Route] = []
    page.route("**/w/acme/?q=sup**", lambda route: held.append(route))

    with page.expect_request("**/w/acme/?q=sup**"):
        page.get_by_role("searchbox", name="Search prompts").press_sequentially("sup")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-row]:focus")).to_have_count(1)
    for route in held:
        route.continue_()
    expect(page.locator("#board-list tr.entry")).to_have_count(2)
    expect(page.locator("[data-row]:focus")).to_have_count(1)


def test_import__looked_at_again_by_itself__leaves_the_focus_where_it_is_and_goes_on_once_it_was_read(
    olga: Seat, people: Cast
) -> None:
    member = Member.objects.get(pk=people.olga.member_id)
    PendingPrompts.objects.create(member=member, source="langfuse", name="theirs", state="running")
    page = olga.open("/w/acme/import")
    page.get_by_role("button", name="Stop").focus()

    PendingPrompts.objects.update(progress="7 prompts so far.")
    expect(page.get_by_role("status").filter(has_text="Reading theirs")).to_contain_text("7 prompts so far.")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    PendingPrompts.objects.update(state="failed", error="Their server went away.")
    expect(page.get_by_role("alert")).to_contain_text("Their server went away.")
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert not PendingPrompts.objects.exists()


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


def test_key__of_a_long_name__is_shown_whole_and_every_button_is_in_sight(olga: Seat) -> None:
    page = olga.open("/w/acme/settings/keys")
    page.get_by_label("Name", exact=True).fill("x" * 100)
    page.get_by_label("Environment", exact=True).select_option("development")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("button", name="Copy the key")).to_be_visible()
    page.wait_for_load_state()  # widths are those of the styles

    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.get_by_role("button", name="Copy the key")).to_be_in_viewport(ratio=1)
        for name in ("Copy the command", "Rotate"):
            box = page.get_by_role("button", name=name).bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width, (width, name)
        assert page.locator("#issued-key").evaluate("(one) => one.scrollWidth <= one.clientWidth")


def test_invitation_and_key__shown_once__are_not_made_again_by_a_reload(olga: Seat) -> None:
    page = olga.open("/w/acme/settings/members")
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".secret")).to_be_visible()
    page.wait_for_load_state()  # its script has said where a reload goes
    page.reload()
    expect(page.locator(".secret")).to_have_count(0)
    expect(page.get_by_role("button", name="Revoke")).to_have_count(1)

    page.goto(f"{olga.url}/w/acme/settings/keys")
    expect(page.get_by_text("post results from elsewhere")).to_be_hidden()
    page.get_by_label("Kind").select_option("ci")
    expect(page.get_by_text("post results from elsewhere")).to_be_visible()
    expect(page.get_by_label("Environment", exact=True)).to_be_hidden()
    page.get_by_label("Name").fill("pipeline")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator(".secret")).to_be_visible()
    page.wait_for_load_state()
    page.reload()
    expect(page.locator(".secret")).to_have_count(0)
    expect(page.get_by_role("button", name="Rotate")).to_have_count(1)


def test_name__with_blanks_and_capitals__is_told_how_it_reads_while_it_is_typed(olga: Seat) -> None:
    page = olga.open("/w/acme/new")
    name, hint = page.get_by_label("Name"), page.locator("#name-hint")
    page.get_by_label("Description").fill("For refunds")
    name.press_sequentially("Billing/Refund notes")
    expect(hint).to_contain_text("In addresses this name reads Billing/Refund%20notes.")
    expect(name).to_be_focused()

    page.get_by_role("button", name="Use billing/refund-notes").click()
    expect(name).to_have_value("billing/refund-notes")
    expect(name).to_be_focused()
    expect(hint).to_be_empty()
    name.fill("Refunds")
    expect(hint).to_contain_text("Capital letters count")
    page.get_by_role("button", name="Write its first version").click()
    page.wait_for_url("**/prompts/Refunds/drafts/edit")
    assert Prompt.objects.get(name="Refunds").description == "For refunds"


def test_name__with_blanks__is_asked_about_where_no_script_could_tell(people: Cast, web: Web, browser: Browser) -> None:
    page = Seat(browser, web, people.ada, scripts=False).open("/w/acme/new")
    page.get_by_label("Name").fill("Refund notes")
    page.get_by_label("Description").fill("For refunds")
    page.get_by_role("button", name="Write its first version").click()
    expect(page.locator("#name-hint")).to_contain_text("Nothing is saved yet: the name stays for good.")
    expect(page.get_by_role("button", name="Keep this name")).to_be_visible()
    page.get_by_role("button", name="Use refund-notes").click()
    page.wait_for_url("**/prompts/refund-notes/drafts/edit")
    assert Prompt.objects.get(name="refund-notes").description == "For refunds"


@pytest.mark.parametrize("width", [390, 1280])
def test_snippets__however_narrow_their_place__are_read_whole_with_the_copy_button_in_sight(
    olga: Seat, width: int
) -> None:
    page = olga.open("/w/acme/prompts/support/triage")
    page.set_viewport_size({"width": width, "height": 844})

    for snippet in page.locator(".use details").all():
        if snippet.get_attribute("open") is None:
            snippet.locator("summary").click()
        text, copy = snippet.locator("pre"), snippet.get_by_role("button", name="Copy")
        assert text.evaluate("(one) => one.scrollWidth <= one.clientWidth && one.clientWidth > 0")
        box = copy.bounding_box()
        assert box and box["x"] + box["width"] <= width


def test_toast__on_a_narrow_screen__lies_over_no_button_at_the_end_of_a_form(
    people: Cast, web: Web, browser: Browser
) -> None:
    page = Seat(browser, web, people.ada).open("/w/acme/new")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("document.dispatchEvent(new CustomEvent('toast', {detail: {text: 'It is saved.'}}))")
    button = page.get_by_role("button", name="Write its first version")
    button.scroll_into_view_if_needed()

    toast, below = page.locator("[data-toast]").bounding_box(), button.bounding_box()
    assert toast and below and toast["y"] + toast["height"] < below["y"]


def test_frame__of_a_page_that_stays_open__tells_what_waits_while_it_is_looked_at_and_leaves_the_focus(
    people: Cast, web: Web, browser: Browser
) -> None:
    policy(people, "production", approvals=1, require_predecessor=False, require_suites=False, min_suites=0)
    seat = Seat(browser, web, people.grace)
    page, asked = seat.page, []
    page.on("request", lambda request: asked.append(request.url) if "/waiting?" in request.url else None)
    page.clock.install()
    seat.open("/w/acme/")
    bell, votes = page.locator("#bell"), page.locator("#for-you")
    expect(votes).to_be_empty()
    bell.focus()
    version = Prompt.objects.get(name="support/triage").versions.select_related("prompt").get(number=2)
    open_promotion(people.ada, version, people.environment("production"))
    builders.deliver()

    page.clock.fast_forward(61_000)
    expect(votes).to_have_text("1 waiting for you")
    expect(bell).to_have_accessible_name("Notifications, 1 unread")
    expect(bell).to_be_focused()

    _see(page, hidden=True)
    before = len(asked)
    Notification.objects.update(read_at=timezone.now())
    page.clock.fast_forward(200_000)
    assert len(asked) == before
    _see(page, hidden=False)
    expect(bell).to_have_accessible_name("Notifications")
    expect(bell).to_be_focused()
    page.route("**/waiting?**", lambda route: route.abort())
    with page.expect_event("requestfailed", lambda request: "/waiting?" in request.url):
        page.clock.fast_forward(61_000)
    expect(page.locator("[data-toast]")).to_have_count(0)


def _see(page: Page, *, hidden: bool) -> None:
    """The page's tab is left, or looked at again."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


@pytest.mark.parametrize("key", ["Control+k", "?"])
def test_what_a_key_opens_over_a_page__is_as_accessible_as_the_page(olga: Seat, key: str) -> None:
    page = olga.open("/w/acme/")
    page.keyboard.press(key)
    expect(page.locator("dialog[open]")).to_be_visible()

    assert list(faults(page)) == []
    expect(page.locator("dialog[open]")).to_be_visible()
