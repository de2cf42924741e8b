"""The editor's niceties in a real browser: variables that follow the text, marks at their place, two windows, panels, speed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Draft, Prompt, PromptVersion
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat
from tests.servers import Web

pytestmark = pytest.mark.e2e

EDITOR = "/w/acme/prompts/banking/intents/drafts/edit"
KEY = "sk-proj-" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"


@pytest.fixture
def people(transactional_db: None) -> Cast:
    """The cast, a chat to work on, and a tone of voice to include."""
    cast = make_cast()
    tone = builders.prompt(cast.ada, "shared/tone", text="Be brief.")
    chat = create_prompt(cast.ada, "banking/intents", kind="chat")
    messages = [{"role": "system", "content": "Sort it."}, {"role": "user", "content": "{{ message }}"}]
    create_version(cast.ada, chat, {"messages": messages, "config": {"temperature": 0.5, "stop": ["."]}})
    builders.version(cast.ada, tone, "Be very brief.")
    return cast


@pytest.fixture
def ada(people: Cast, web: Web, browser: Browser) -> Iterator[Seat]:
    """Ada, signed in; her browser must have had nothing to complain about."""
    seat = Seat(browser, web, people.ada)
    yield seat
    assert [line for line in seat.complaints if "status of 4" not in line] == []


def newest() -> PromptVersion:
    prompt = Prompt.objects.get(name="banking/intents")
    return PromptVersion.objects.filter(prompt=prompt).select_related("prompt").order_by("-number")[0]


def write(page: Page, text: str, *, card: int = 0) -> None:
    """Type at the end of a card."""
    page.locator("[data-message]").nth(card).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def accept(page: Page, text: str) -> None:
    """Take the first completion once it offers this; a key right after it opened is not for it."""
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text(text)
    page.wait_for_timeout(200)
    page.keyboard.press("Enter")


def names(page: Page) -> list[str]:
    return [field.input_value() for field in page.locator("[data-variable] [name=v_name]").all()]


def test_variables__typed_declared_and_removed__follow_the_text_and_are_marked_where_they_stand(ada: Seat) -> None:
    page = ada.open(EDITOR)
    assert names(page) == ["message"]

    # A new name in the text is a new row; its sample value is in the preview at once.
    write(page, " for {{ bank }}", card=1)
    expect(page.locator("[data-variable]")).to_have_count(2)
    page.locator("[name=v_sample]").nth(1).fill("Alpine")
    expect(page.locator("#preview")).to_contain_text("for Alpine")

    # Once one is declared by hand, an unknown name is marked at its place, and declared from there.
    page.get_by_role("button", name="Variable", exact=True).click()
    page.keyboard.type("country")
    expect(page.locator("[data-variable]").nth(2)).to_contain_text("not used in the text")
    write(page, " in {{ city }}", card=1)
    expect(page.locator("[data-message]").nth(1).locator(".cm-lintRange-warning")).to_have_text("city")
    page.get_by_role("button", name="Declare city").click()
    expect(page.locator(".cm-lintRange-warning")).to_have_count(0)
    page.locator("[data-variable]").nth(2).get_by_role("button").click()

    # The same as JSON Schema, and back.
    page.get_by_role("button", name="As JSON Schema").click()
    expect(page.locator("#panel-variables .cm-content").first).to_contain_text('"city"')
    page.get_by_role("button", name="As a table").click()
    expect(page.locator("[data-variable]")).to_have_count(3)
    page.get_by_label("What changed, and why?").fill("City and bank")
    page.keyboard.press("Control+s")
    page.wait_for_url("**/prompts/banking/intents")
    schema = newest().to_json()["variables"]
    assert list(schema["properties"]) == ["message", "bank", "city"]  # type: ignore[index, call-overload, arg-type]


def test_completion__in_a_tag_and_at_an_include__offers_names_filters_and_prompts(ada: Seat) -> None:
    page = ada.open(EDITOR)

    write(page, "\n{{ mess", card=1)
    accept(page, "message")
    page.keyboard.type(" | low")
    accept(page, "lower")
    expect(page.locator("[data-message]").nth(1)).to_contain_text("{{ message | lower")

    write(page, "\n@@ton")
    accept(page, "shared/tonev2")
    expect(page.locator("#preview")).to_contain_text("Be very brief.")


def test_include__of_an_older_version__says_so_and_takes_the_newest(ada: Seat, people: Cast) -> None:
    chat = Prompt.objects.get(name="banking/intents")
    tag = "@@@langfusePrompt:name=shared/tone|version=1@@@"
    create_version(people.ada, chat, {"messages": [{"role": "system", "content": tag}]})

    page = ada.open(EDITOR)
    expect(page.locator("[data-older]")).to_contain_text("v2 is the newest")
    page.get_by_role("button", name="Use v2").click()

    expect(page.locator("[data-message]").first).to_contain_text("version=2")
    expect(page.locator("#preview")).to_contain_text("Be very brief.")
    expect(page.locator("[data-older]")).to_have_count(0)


def test_secret__typed__is_marked_and_saved_only_once_it_is_confirmed(ada: Seat) -> None:
    page = ada.open(EDITOR)
    write(page, f"\nUse {KEY}")
    expect(page.locator("#preview")).to_contain_text("looks as if it held a secret")
    expect(page.locator("[data-message]").first.locator(".cm-lintRange-warning")).to_have_text(KEY)

    page.get_by_label("What changed, and why?").fill("Key")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("alert")).to_contain_text("Not saved")
    assert newest().number == 1
    page.get_by_label("It is no secret").check()
    page.get_by_role("button", name="Save as v2").click()
    page.wait_for_url("**/prompts/banking/intents")
    assert newest().number == 2


def test_two_windows__of_one_person__the_later_one_is_told_and_chooses(ada: Seat) -> None:
    first = ada.open(EDITOR)
    second = ada.context.new_page()
    second.goto(f"{ada.url}{EDITOR}")
    write(first, " First window.")
    expect(first.locator("#draft-state")).to_contain_text("Draft kept")

    write(second, " Second window.")
    expect(second.locator("[data-draft-conflict]")).to_contain_text("another window of yours")
    assert "First window" in Draft.objects.get().content
    second.get_by_role("button", name="Keep this one").click()
    expect(second.locator("#draft-state")).to_contain_text("Draft kept")
    assert "Second window" in Draft.objects.get().content

    # Now the first one is behind, and takes the other.
    write(first, " More.")
    first.get_by_role("link", name="Take the other").click()
    expect(first.locator("[data-message]").first).to_contain_text("Second window.")


def test_two_people__at_one_prompt__see_each_other_and_both_versions_are_offered(ada: Seat, people: Cast) -> None:
    page = ada.open(EDITOR)
    chat = Prompt.objects.get(name="banking/intents")
    create_version(people.grace, chat, {"messages": [{"role": "system", "content": "Grace was here"}]})

    write(page, " Mine.")
    expect(page.locator("#preview")).to_contain_text("v2 was saved meanwhile by Grace")
    page.get_by_role("button", name="Save as v2").click()
    expect(page.get_by_label("What changed, and why?")).to_be_focused()
    page.keyboard.type("Mine counts")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("v2 is by Grace")
    page.get_by_label("save mine as v3").check()
    page.get_by_role("button", name="Save as v3").click()
    page.wait_for_url("**/prompts/banking/intents")
    assert newest().number == 3


def test_model__set_by_fields__keeps_what_has_no_field_and_reads_as_json(ada: Seat) -> None:
    page = ada.open(EDITOR)
    page.get_by_label("Temperature").fill("0.25")
    page.get_by_label("Most tokens").fill("64")
    expect(page.locator("#preview")).to_contain_text("max_tokens")
    page.locator("#panel-model").get_by_role("button", name="As JSON").click()
    expect(page.locator("#panel-model .cm-content")).to_contain_text('"max_tokens": 64')
    page.get_by_label("What changed, and why?").fill("Cooler")
    page.keyboard.press("Control+s")
    page.wait_for_url("**/prompts/banking/intents")

    assert newest().to_json()["config"] == {"temperature": 0.25, "stop": ["."], "max_tokens": 64}


def test_long_prompt__of_150_kb__is_drawn_typed_in_and_kept(ada: Seat, people: Cast) -> None:
    chat = Prompt.objects.get(name="banking/intents")
    long = "\n".join(f"{n}. Answer politely, and name the card of {{{{ message }}}}." for n in range(2800))
    assert len(long) > 150_000
    create_version(people.ada, chat, {"messages": [{"role": "system", "content": long}]})

    page = ada.open(EDITOR)
    write(page, "\nThe last line")
    expect(page.locator("[data-message]").first).to_contain_text("The last line")
    expect(page.locator("#preview")).to_contain_text("The last line")
    expect(page.locator("#draft-state")).to_contain_text("Draft kept")
    # Only what is in view is in the page: that is what keeps typing light.
    assert page.locator("[data-message] .cm-line").count() < 300
