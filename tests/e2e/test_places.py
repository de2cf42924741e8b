"""Versions, files of cases, environments and promotions in a real browser: what one presses there, and what comes of it."""

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, expect

from evals_app.models import SuiteVersion
from prompts_app.actions.promotions import open_promotion
from prompts_app.models import Environment, Freeze, LivePointer, Override, Prompt
from registry.core.actions.people import set_time_zone
from registry.core.actor import Role
from registry.core.models import Member
from tests import builders, scenes
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat, told
from tests.evals import building
from tests.servers import Web

pytestmark = pytest.mark.e2e

NAME = "support/triage"
ZONE, AHEAD = "Asia/Kolkata", timedelta(hours=5, minutes=30)
CASES = "key,q,expected,critical\nten,10,10,true\neleven,11,11,perhaps\ntwelve,12,12,\n"


@pytest.fixture
def people(transactional_db: None) -> Cast:
    """The cast, and a prompt with three versions, of which staging has the second."""
    cast = make_cast()
    prompt = builders.prompt(cast.ada, NAME, text="Sort this.")
    scenes.go_live(cast, builders.version(cast.ada, prompt, "Sort this in one word."), "staging")
    builders.version(cast.ada, prompt, "Sort this in one short word.")
    return cast


def test_versions__two_of_them_compared_and_an_old_one_taken_up__become_the_newest(
    people: Cast, web: Web, browser: Browser
) -> None:
    ada = Seat(browser, web, people.ada)
    page = ada.open(f"/w/acme/prompts/{NAME}/versions")
    page.get_by_role("radio", name="From v1").check()
    page.get_by_role("radio", name="To v2").check()
    page.get_by_role("button", name="Compare the two").click()
    page.wait_for_url(re.compile(rf"/prompts/{NAME}/diff\?(from=1&to=2|to=2&from=1)$"))
    expect(page.locator(".diff-lines ins").first).to_contain_text("in one word")
    page.get_by_role("link", name="Swap").click()
    page.wait_for_url(re.compile(r"/diff\?(from=2&to=1|to=1&from=2)$"))
    expect(page.locator(".diff-lines del").first).to_contain_text("in one word")

    ada.open(f"/w/acme/prompts/{NAME}/versions")
    page.get_by_role("button", name="Take into my draft: v1").click()
    told(page, "Your draft is version 1 now")
    expect(page.locator(".cm-content").first).to_have_text("Sort this.")
    page.get_by_role("button", name="Save as v4", exact=True).click()
    page.wait_for_url(f"**/prompts/{NAME}")
    newest = Prompt.objects.get(name=NAME).versions.order_by("-number")[0]
    assert (newest.number, newest.to_json()["text"]) == (4, "Sort this.")
    assert ada.complaints == []


def test_cases__from_a_file_with_a_mistake__are_looked_at_taken_over_and_saved(
    people: Cast, web: Web, browser: Browser, tmp_path: Path
) -> None:
    building.suite(people.ada, of=building.cases(3))
    file = tmp_path / "cases.csv"
    file.write_text(CASES, encoding="utf-8")
    ada = Seat(browser, web, people.ada)
    page = ada.open("/w/acme/suites/numbers/import")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("region", name="Table of mistakes")).to_contain_text("write true or false")
    expect(page.get_by_label("What q is", exact=True)).to_have_value("variable")
    expect(page.get_by_role("region", name="Preview of cases").locator("tbody tr")).to_have_count(2)
    page.get_by_label("Leave out the 1 row with a mistake").check()
    page.get_by_role("button", name="Put 2 cases into my draft").click()
    page.wait_for_url("**/suites/numbers/edit")
    expect(page.get_by_label("Key of case 5", exact=True)).to_have_value("twelve")
    page.get_by_role("button", name="Save as v2").click()
    expect(page.get_by_role("status").filter(has_text="Version 2 is saved")).to_be_visible()
    saved = SuiteVersion.objects.get(number=2).cases.values_list("key", "is_critical")
    assert list(saved)[3:] == [("ten", True), ("twelve", False)]
    assert ada.complaints == []


def test_environment__with_other_rules_frozen_and_emptied__does_so_at_once(
    people: Cast, web: Web, browser: Browser
) -> None:
    set_time_zone(people.olga, Member.objects.get(pk=people.olga.member_id).user, time_zone=ZONE)
    key = people.key("service", environment="staging")
    olga, address = Seat(browser, web, people.olga), f"{web.url}/api/v1/environments/staging/prompts/{NAME}"
    page = olga.open("/w/acme/environments/staging")
    page.get_by_text("Change the rules").click()
    page.get_by_label("Approvals needed").fill("2")
    page.get_by_role("button", name="Put into force").click()
    told(page, "The rules of Staging are changed")
    expect(page.locator("aside")).to_contain_text("changed once by Olga")

    today = datetime.now(UTC) + AHEAD
    page.get_by_text("Freeze it").click()
    page.get_by_label("Starts at").fill(f"{today - timedelta(hours=1):%Y-%m-%dT%H:%M}")
    page.get_by_label("Ends at").fill(f"{today + timedelta(hours=3):%Y-%m-%dT%H:%M}")
    page.get_by_role("textbox", name="Reason").fill("Sale")
    page.get_by_role("button", name="Freeze", exact=True).click()
    expect(page.locator("h1")).to_contain_text("Frozen")
    freeze = Freeze.objects.get()
    assert abs(freeze.starts_at + timedelta(hours=1) - datetime.now(UTC)) < timedelta(minutes=5)
    page.get_by_role("button", name="Lift").click()
    expect(page.locator("h1")).not_to_contain_text("Frozen")

    assert httpx.get(address, headers=key.headers, trust_env=False).json()["version"] == 2
    page.get_by_role("link", name=f"Take it out… with {NAME}").click()
    page.get_by_label("Reason").last.fill("Nobody reads it")
    page.get_by_role("button", name="Take it out", exact=True).click()
    page.wait_for_url(f"**/prompts/{NAME}")
    expect(olga.open("/w/acme/environments/staging").locator("main")).to_contain_text("Nothing is live here.")
    assert httpx.get(address, headers=key.headers, trust_env=False).status_code == 404
    staging = Environment.objects.get(name="staging", workspace=people.workspace)
    assert not LivePointer.objects.live().filter(environment=staging).exists()
    assert olga.complaints == []


def test_promotion__put_off_and_then_not_waited_for__goes_live_over_what_stands_in_the_way(
    people: Cast, web: Web, browser: Browser
) -> None:
    otto = builders.join(people.olga, "Otto", Role.RELEASER, grants=("override",))
    set_time_zone(otto, Member.objects.get(pk=otto.member_id).user, time_zone=ZONE)
    scenes.policy(people, "staging", approvals=1, allow_override=True)
    version = Prompt.objects.get(name=NAME).versions.select_related("prompt").get(number=3)
    asked = open_promotion(people.ada, version, people.environment("staging"))
    seat = Seat(browser, web, otto)
    page, apply = seat.open(f"/w/acme/promotions/{asked.pk}"), seat.page.locator("#apply")
    day = datetime.now(UTC).date() + timedelta(days=3)
    apply.get_by_text("Schedule", exact=True).first.click()
    apply.get_by_label("When, in your time zone").fill(f"{day}T09:30")
    apply.get_by_role("button", name="Schedule").click()
    expect(page.get_by_role("button", name="Unschedule")).to_be_visible()
    expect(page.locator("main")).to_contain_text("09:30")
    assert scenes.fresh(asked).scheduled_for == datetime.combine(day, time(9, 30), UTC) - AHEAD

    page.get_by_role("button", name="Unschedule").click()
    expect(apply.get_by_role("button", name="Promote to Staging")).to_be_disabled()
    apply.get_by_text("Override", exact=True).click()
    apply.get_by_label("Reason").fill("Customers cannot wait for the approval.")
    apply.get_by_role("button", name="Override and promote").click()
    expect(page.locator("main")).to_contain_text("Promoted")
    assert (scenes.fresh(asked).state, Override.objects.get().by_id) == ("applied", otto.member_id)
    assert seat.complaints == []
