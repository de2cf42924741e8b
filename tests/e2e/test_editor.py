"""The editor's niceties in a real browser: variables that follow the text, marks at their place, two windows, panels, speed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Draft, Prompt, PromptVersion
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat, until
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
    # While what else was typed is looked up, the list is shown but not taken from.
    expect(page.locator(".cm-tooltip-autocomplete:not(.cm-tooltip-autocomplete-disabled)")).to_contain_text(text)
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


def test_editor__left_in_the_middle_of_a_word__keeps_it_and_dropping_the_draft_drops_that_too(ada: Seat) -> None:
    page = ada.open(EDITOR)
    write(page, " Say why")
    page.get_by_role("link", name="Promotions", exact=True).click()
    page.wait_for_url("**/promotions")
    until("the last words are kept", lambda: "Say why" in str(Draft.objects.values_list("content", flat=True).first()))

    # Gone back to, the page goes on from what was sent behind it: no window of one's own is in the way.
    page.go_back()
    expect(page.locator("[data-message]").first).to_contain_text("Say why")
    write(page, " it is so")
    expect(page.locator("#draft-state")).to_contain_text("Draft kept")
    write(page, " at all")
    page.get_by_role("button", name="Discard it").click()
    expect(page.locator("[data-toast]")).to_contain_text("Draft discarded")
    page.wait_for_load_state("networkidle")
    assert not Draft.objects.exists()


def test_editor__left_with_more_than_can_be_sent_behind_the_page__asks_first(ada: Seat) -> None:
    page = ada.open(EDITOR)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.route("**/drafts/draft", lambda route: route.abort())
    write(page, ".")
    page.evaluate(
        "text => Code.replace(document.querySelector('[data-message] textarea'), /Sort/g, text)", "x" * 70_000
    )
    page.get_by_role("link", name="Promotions", exact=True).click()
    page.wait_for_url("**/promotions")
    assert asked == ["beforeunload"]


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
    until("all of it is kept", lambda: "First window." in Draft.objects.get().content)

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


def test_draft__answered_later_than_the_next_pause__is_in_nobodys_way(ada: Seat) -> None:
    page = ada.open(EDITOR)

    def slowly(route: Route) -> None:
        answer = route.fetch()
        page.wait_for_timeout(3000)
        route.fulfill(response=answer)

    page.route("**/drafts/draft", slowly)
    with page.expect_request("**/drafts/draft"):
        write(page, " One.")
    with page.expect_response("**/drafts/draft"):
        write(page, " Two.")
    with page.expect_response("**/drafts/draft"):
        pass  # what waited for its turn goes on from the draft before it
    assert "One. Two." in Draft.objects.get().content
    with page.expect_response("**/drafts/draft"):
        write(page, " Three.")
    assert "One. Two. Three." in Draft.objects.get().content

    expect(page.locator("#draft-state")).to_contain_text("Draft kept")
    expect(page.locator("[data-draft-conflict]")).to_have_count(0)


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
    page.get_by_label("Max tokens").fill("64")
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


def test_tag__typed_to_its_end__closes_once_and_samples_stay_for_the_next_version(ada: Seat) -> None:
    page = ada.open(EDITOR)

    write(page, "\n{% if message %}", card=1)
    write(page, "a", card=1)
    expect(page.locator(".cm-content").nth(1)).to_contain_text("{% if message %}a")
    expect(page.locator(".message .cm-lintRange-error")).to_have_count(1)
    write(page, "{% endif %}", card=1)
    expect(page.locator(".message .cm-lintRange-error")).to_have_count(0)

    # What asks for a message does not lie over the button that is to be pressed again.
    page.locator("[name=v_sample]").first.fill("Where is it?")
    save = page.get_by_role("button", name="Save as v2")
    save.click()
    expect(page.get_by_text("Say what changed")).to_be_visible()
    save.click()
    page.wait_for_url("**/prompts/banking/intents")
    page = ada.open(EDITOR)
    expect(page.locator("[name=v_sample]").first).to_have_value("Where is it?")
    expect(page.locator("#preview")).to_contain_text("Where is it?")
    expect(page.locator("#preview")).not_to_contain_text("\u2039message\u203a")
    expect(page.get_by_text("This is your draft")).to_have_count(0)


def test_save__with_nothing_written__asks_first(ada: Seat, people: Cast) -> None:
    create_prompt(people.ada, "banking/blank", kind="text")
    page = ada.open("/w/acme/prompts/banking/blank/drafts/edit")
    page.locator("[name=message]").fill("First")
    save = page.get_by_role("button", name="Save as v1")

    save.click()
    expect(page.get_by_text("Nothing is written yet")).to_be_visible()
    assert not PromptVersion.objects.filter(prompt__name="banking/blank").exists()
    save.click()
    page.wait_for_url("**/prompts/banking/blank")
    assert PromptVersion.objects.get(prompt__name="banking/blank").to_json()["text"] == ""


def test_preview__that_grows_while_a_setting_is_typed__leaves_the_field_where_it_is(ada: Seat) -> None:
    page = ada.open(EDITOR)
    page.set_viewport_size({"width": 1280, "height": 800})
    field, preview = page.get_by_label("Top p"), page.locator("[data-preview]")
    field.scroll_into_view_if_needed()
    field.click()
    before, height = field.bounding_box(), preview.bounding_box()

    page.keyboard.type("0.9")
    expect(preview).to_contain_text("Changes since v1")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    after, grown = field.bounding_box(), preview.bounding_box()
    assert before and after and height and grown
    assert grown["height"] > height["height"] + 50
    assert abs(after["y"] - before["y"]) < 2

    # Half a name is a mistake for a moment: what stands below keeps its place.
    write(page, " {{")
    expect(page.locator("[data-problem]").first).to_be_visible()
    shrunk = preview.bounding_box()
    assert shrunk and shrunk["height"] == grown["height"]


def test_save__that_takes_longer_than_a_draft_waits__leaves_no_draft_behind(ada: Seat) -> None:
    page = ada.open(EDITOR)

    def slowly(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        answer = route.fetch(max_redirects=0)
        page.wait_for_timeout(2500)
        route.fulfill(response=answer)

    page.route(f"**{EDITOR}", slowly)
    write(page, " More.")
    page.get_by_label("What changed, and why?").fill("More")
    page.get_by_role("button", name="Save as v2").click()

    expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
    expect(page.get_by_text("You have a draft")).to_have_count(0)
    assert newest().number == 2 and not Draft.objects.exists()


def test_editor__scrolled_to_the_end_of_its_side__shows_the_last_row_above_the_bar(ada: Seat) -> None:
    page = ada.open(EDITOR)
    page.set_viewport_size({"width": 1280, "height": 720})
    side = page.locator(".editor-side")
    expect(page.locator(".cm-content").first).to_be_visible()

    side.evaluate("side => side.scrollTo(0, side.scrollHeight)")

    row, bar = page.get_by_label("Template", exact=True).bounding_box(), page.locator(".savebar").bounding_box()
    assert row and bar and row["y"] + row["height"] < bar["y"]
