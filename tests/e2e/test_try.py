"""Trying a prompt in a real browser: from the editor by keyboard, told as it is answered, stopped, and kept as a case."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from evals_app.models import DraftCase, Provider, Tryout
from evals_app.scripted_provider import Rule, ScriptedProvider
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat, until
from tests.evals import building
from tests.servers import run_web

pytestmark = pytest.mark.e2e

NAME = "support/triage"
TRY = f"/w/acme/prompts/{NAME}/drafts/try"


@dataclass(frozen=True)
class Stage:
    """Ada in front of a browser, and the provider that answers her."""

    ada: Seat
    provider: ScriptedProvider
    cast: Cast


@pytest.fixture
def stage(transactional_db: None, browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """Two versions of a prompt, a provider and a suite."""
    with ScriptedProvider() as provider, run_web(tmp_path, OUTBOUND_ALLOW=f"127.0.0.1:{provider.port}") as web:
        cast = make_cast()
        building.add_provider(cast, provider, models=["scripted", "other"], timeout_s=60)
        prompt = builders.prompt(cast.ada, NAME, text="Hello {{ name }}")
        builders.version(cast.ada, prompt, "Good day {{ name }}")
        building.suite(cast.ada, "greetings", of=building.cases(3))
        seat = Seat(browser, web, cast.ada)
        yield Stage(seat, provider, cast)
        assert [line for line in seat.complaints if "status of 4" not in line] == []


def _is_asked(stage: Stage, times: int) -> bool:
    return stage.provider.calls == times


def test_try__from_the_editor_by_keyboard__asks_the_draft_beside_the_newest_version(stage: Stage) -> None:
    page = stage.ada.open(f"/w/acme/prompts/{NAME}/drafts/edit")
    page.locator("[name=v_sample]").first.fill("Ada")
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(", draft")
    page.keyboard.press("Control+Enter")

    page.wait_for_url(f"**{TRY}")
    columns = page.locator("[data-column]")
    expect(columns.nth(0).locator("[data-text]")).to_have_text("Good day Ada, draft")
    expect(columns.nth(1).locator("[data-text]")).to_have_text("Good day Ada")
    expect(columns.nth(0).locator("[data-facts]")).to_contain_text("4 in, 4 out")
    expect(columns.nth(0).locator("[data-facts]")).to_contain_text("First word")
    expect(page.get_by_role("status").filter(has_text="Answered in")).to_be_visible()


def test_try__two_versions_on_other_models__is_told_piece_by_piece_and_becomes_a_case(stage: Stage) -> None:
    stage.provider.script(Rule(model="other", answer="one two\u202ethree four", fault="byte_by_byte"))
    page = stage.ada.open(f"{TRY}?version=2&version=1")
    page.locator("[name=v_sample]").fill("Bo")
    page.get_by_label("Model of column 2").select_option("scripted/other")

    page.get_by_role("button", name="Run").last.click()

    second = page.locator("[data-column]").nth(1)
    expect(second.locator("[data-text]")).to_have_text("one twoU+202Ethree four")
    expect(second.locator("[data-text] .invisible")).to_have_text("U+202E")
    expect(second.locator("[data-facts]")).to_contain_text("scripted · other")
    second.locator("[data-sent] summary").click()
    expect(second.locator("[data-messages-sent]")).to_contain_text("Hello Bo")

    second.get_by_role("button", name="Add to a suite").click()
    page.locator("#key").fill("greet Bo")
    page.get_by_role("button", name="Add it").click()
    page.wait_for_url("**/suites/greetings/edit**")
    row = DraftCase.objects.get(key="greet Bo")
    assert '"name": "Bo"' in row.content and "one two\u202ethree four" in row.content


def test_try__stopped_or_left__ends_the_asking_at_the_provider(stage: Stage) -> None:
    stage.provider.script(Rule(fault="drip"))
    page = stage.ada.open(f"{TRY}?version=2")
    page.locator("[name=v_sample]").fill("Bo")
    page.keyboard.press("Control+Enter")
    until("asked", lambda: stage.provider.calls == 1)
    assert page.evaluate("document.activeElement.name") == "v_sample", "one goes on typing where one was"
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status").filter(has_text="Stopped")).to_be_visible()
    expect(page.locator("[data-column] [data-facts]").first).to_contain_text("stopped")

    # The place is free again: as often as one likes, one after the other.
    for number in range(2, 6):
        page.keyboard.press("Control+Enter")
        until("asked again", partial(_is_asked, stage, number))
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Run").last).to_be_visible()
    page.keyboard.press("Control+Enter")
    until("asked a last time", lambda: stage.provider.calls == 6)
    stage.ada.open("/w/acme/")
    until("nothing in flight", lambda: stage.provider._in_flight == 0)
    assert not Tryout.objects.filter(is_settled=True, error="").exists()


def test_try__of_what_cannot_be_asked__says_why_and_keeps_what_was_typed(stage: Stage) -> None:
    page = stage.ada.open(f"{TRY}?version=2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("name is required")

    stage.provider.script(Rule(status=401))
    page.locator("[name=v_sample]").fill("Bo")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-column]").first).to_contain_text("rejected: HTTP 401")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.locator("[name=v_sample]").input_value() == "Bo"


def test_try__without_a_value__has_the_field_marked_and_focused_where_it_stood(stage: Stage) -> None:
    page = stage.ada.open(TRY)
    field = page.locator("[name=v_sample]")
    before = field.bounding_box()

    page.locator("[data-start]").click()

    expect(page.get_by_role("alert")).to_contain_text("name is required")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert field.bounding_box() == before
    page.keyboard.type("Ada")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_try__come_to_from_the_editor_without_a_value__waits_for_it_and_nothing_is_red(stage: Stage) -> None:
    page = stage.ada.open(f"/w/acme/prompts/{NAME}/drafts/edit")
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**{TRY}")

    expect(page.locator("[data-state]").first).to_have_text("Fill in what it is tried with, then run it.")
    expect(page.locator("[name=v_sample]")).to_be_focused()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_try__come_to_when_no_model_could_be_asked__does_not_run_at_a_later_visit(stage: Stage) -> None:
    Provider.objects.update(workspace=stage.cast.linus.workspace_id)
    page = stage.ada.open(f"/w/acme/prompts/{NAME}/drafts/edit")
    page.locator("[name=v_sample]").first.fill("Ada")
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**{TRY}")
    expect(page.get_by_text("No model can be asked yet")).to_be_visible()

    Provider.objects.update(workspace=stage.cast.workspace.pk)
    page.reload()
    expect(page.locator("[name=v_sample]")).to_have_value("Ada")
    expect(page.locator("[data-state]").first).to_have_text("")
    assert stage.provider.calls == 0


def test_try__filled_in_from_a_case__follows_the_versions_that_are_chosen(stage: Stage) -> None:
    page = stage.ada.open(f"{TRY}?version=2")
    page.get_by_label("From a case").fill("greetings/case-1")
    page.get_by_role("button", name="Fill in").click()
    expect(page.locator("[name=v_name]")).to_have_count(2)
    expect(page.locator("[name=v_sample]").nth(1)).to_have_value('"1"')
