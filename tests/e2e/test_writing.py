"""A prompt engineer at work, in a real browser: nothing the browser complains about, nothing typed that is lost."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Draft, Prompt, PromptVersion
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat, until
from tests.servers import Web

pytestmark = pytest.mark.e2e

EDITOR = "/w/acme/prompts/banking/intents/drafts/edit"


@pytest.fixture
def people(transactional_db: None) -> Cast:
    """The cast, and two prompts to work on."""
    cast = make_cast()
    builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")
    chat = create_prompt(cast.ada, "banking/intents", kind="chat")
    messages = [{"role": "system", "content": "Sort it."}, {"role": "user", "content": "{{ message }}"}]
    create_version(cast.ada, chat, {"messages": messages})
    return cast


@pytest.fixture
def ada(people: Cast, web: Web, browser: Browser) -> Iterator[Seat]:
    """Ada, signed in; her browser must have had nothing to complain about."""
    seat = Seat(browser, web, people.ada)
    yield seat
    assert seat.complaints == []


def newest(name: str = "banking/intents") -> PromptVersion:
    prompt = Prompt.objects.get(name=name)
    return PromptVersion.objects.filter(prompt=prompt).select_related("prompt").order_by("-number")[0]


def roles(page: Page) -> list[str]:
    return [field.input_value() for field in page.locator("[data-messages] [name=role]").all()]


def test_editor__written_in_all_day__loses_nothing_and_saves_what_is_seen(ada: Seat) -> None:
    # A mistake is marked at its line while one types.
    page = ada.open(EDITOR)
    expect(page.locator("[data-message] .cm-editor")).to_have_count(2)
    page.locator("[data-message]").nth(1).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\n{{ message.__class__ ")
    expect(page.locator("#preview [data-problem]")).to_contain_text("Message 2, line 2")
    expect(page.locator("#preview [data-problem]")).to_contain_text("mend this to see the preview")
    expect(page.locator("[data-message]").nth(1).locator(".cm-lintRange-error")).to_have_count(1)
    expect(page.locator("[data-message]").nth(1).locator(".field-error")).to_contain_text("Line 2: ")
    expect(page.locator(".field-error:visible")).to_have_count(1)

    # Left without saving, the draft is offered again.
    expect(page.locator("#draft-state")).to_contain_text("Draft kept")
    until("all of it is kept", lambda: "message.__class__ " in Draft.objects.get().content)
    ada.open("/w/acme/")
    page = ada.open(EDITOR)
    expect(page.locator(".note").filter(has_text="your draft")).to_be_visible()
    expect(page.locator("[data-message]").nth(1)).to_contain_text("message.__class__")
    assert newest().number == 1
    page.get_by_role("button", name="Discard it").click()
    expect(page.locator(".note").filter(has_text="your draft")).to_have_count(0)
    expect(page.locator("[data-message] .cm-editor")).to_have_count(2)  # the scripts of the next page are there

    # A card is added, written, moved, and saved by keyboard.
    page.get_by_role("button", name="Message", exact=True).click()
    page.keyboard.type("Say why")
    expect(page.locator("#preview")).to_contain_text("Say why")
    expect(page.locator(".field-error:visible")).to_have_count(0)
    expect(page.locator("#preview")).to_contain_text("Changes since v1")
    page.locator("[data-message]").nth(2).get_by_role("button", name="Move up").click()
    assert roles(page) == ["system", "assistant", "user"]
    page.get_by_label("What changed, and why?").fill("Ask for a reason")
    page.keyboard.press("Control+s")
    page.wait_for_url("**/prompts/banking/intents")
    expect(page.get_by_role("status").filter(has_text="Version 2 is saved")).to_be_visible()
    content = newest().to_json()["messages"]
    assert content[1] == {"role": "assistant", "content": "Say why"}  # type: ignore[index, call-overload]


def test_board__searched_and_walked_by_keyboard__opens_the_prompt_and_weighs_little(ada: Seat) -> None:
    sizes: dict[str, int] = {}
    session = ada.context.new_cdp_session(ada.page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.on("Network.loadingFinished", lambda done: sizes.update({done["requestId"]: done["encodedDataLength"]}))
    page = ada.open("/w/acme/")
    page.wait_for_load_state("networkidle")
    assert sum(sizes.values()) <= 120_000, sizes

    # The theme that is chosen stays on the next page.
    page.get_by_role("button", name="Switch between light and dark").click()
    chosen = page.locator("html").get_attribute("data-theme")
    ada.open("/w/acme/promotions")
    assert chosen in {"light", "dark"} and page.locator("html").get_attribute("data-theme") == chosen

    # Found while typing, opened without the mouse.
    ada.open("/w/acme/")
    page.get_by_role("searchbox", name="Search prompts").press_sequentially("tri")
    expect(page.locator("tr.entry")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"[?&]q=tri(&|$)"))
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prompts/support/triage")
