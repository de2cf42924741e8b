"""Settings in a real browser: an owner's errands, from one page to the next, and what stands in the database afterwards."""

import csv
import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from evals_app.models import Purge, Retention, Run
from evals_app.scripted_provider import Rule
from prompts_app.actions import promotions, reviews
from prompts_app.models import Comment, Environment
from registry.core.actions.deliveries import deliver_webhook
from registry.core.actions.notifications import notify
from registry.core.models import AuditEvent, Member, Webhook, WebhookTry
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat, leave, told
from tests.evals import building
from tests.servers import Web, run_web

pytestmark = pytest.mark.e2e

SETTINGS = "/w/acme/settings"


@pytest.fixture
def people(transactional_db: None) -> Cast:
    """The cast, and a promotion that somebody spoke about."""
    cast = make_cast()
    prompt = builders.prompt(cast.ada)
    asked = promotions.open_promotion(cast.ada, prompt.versions.get(), cast.environment("production"))
    reviews.comment(cast.grace, asked, body="Ask Ada Lovelace about it")
    owner = Member.objects.get(pk=cast.olga.member_id).user_id
    notify(cast.workspace.pk, [owner], event_id=uuid4(), topic="run", text="It went well", url="/w/acme/")
    return cast


def test_stages__added_named_moved_archived__are_what_everybody_sees_and_what_the_log_hands_out(
    people: Cast, web: Web, browser: Browser
) -> None:
    olga = Seat(browser, web, people.olga)
    page = olga.open(f"{SETTINGS}/environments")
    new, stages = page.locator("#new"), page.locator(".stages-list > li")
    new.get_by_label("Name").fill("canary")
    new.get_by_label("Colour").select_option("teal")
    new.get_by_role("button", name="Add").click()
    page.wait_for_url("**/environments/canary")
    told(page, "Canary is there")

    olga.open(f"{SETTINGS}/environments")
    stages.nth(3).get_by_text("Label, colour, description, archive").click()
    stages.nth(3).get_by_label("Label", exact=True).fill("First users")
    stages.nth(3).get_by_label("Colour").select_option("violet")
    stages.nth(3).get_by_role("button", name="Change").click()
    told(page, "First users is changed")
    page.get_by_role("button", name="Move First users up").click()
    told(page, "First users is stage 3 now")
    expect(stages.locator(".title-link")).to_have_text(["Development", "Staging", "First users", "Production"])
    expect(page.locator("nav .env-mark[data-color=violet], nav [data-color=violet]").first).to_be_visible()
    stages.nth(2).get_by_text("Label, colour, description, archive").click()
    stages.nth(2).get_by_role("button", name="Archive").click()
    told(page, "First users is archived")
    expect(stages).to_have_count(3)
    assert list(Environment.objects.in_workspace(people.workspace.pk).values_list("name", "rank")) == [
        ("development", 0),
        ("staging", 1),
        ("production", 3),
    ]

    olga.open(f"{SETTINGS}/audit")
    page.get_by_label("Event", exact=True).fill("environment.")
    page.get_by_role("button", name="Filter").click()
    rows = page.locator("tr[id^=event-]")
    expect(rows).to_have_count(7)
    page.get_by_role("link", name="Check the chain").click()
    expect(page.get_by_role("status").filter(has_text="The chain holds")).to_be_visible()
    expect(rows).to_have_count(7)
    with page.expect_download() as found:
        page.get_by_role("button", name="Export CSV").click()
    assert found.value.suggested_filename == "acme-audit.csv"
    with found.value.path().open(encoding="utf-8", newline="") as file:
        events = [row["event"].removeprefix("environment.") for row in csv.DictReader(file)]
    assert events == [*["created"] * 4, "changed", "moved", "archived"]
    page.get_by_role("link", name="All", exact=True).click()
    expect(rows.first).to_contain_text("audit.exported")
    expect(rows.first).to_contain_text("Olga")
    assert AuditEvent.objects.filter(workspace=people.workspace)[0].facts["chosen"] == {"event": "environment."}
    assert olga.complaints == []


def test_texts_and_oneself__kept_for_a_time_erased_named_told_less__are_so_from_then_on(
    people: Cast, web: Web, browser: Browser
) -> None:
    olga = Seat(browser, web, people.olga)
    page = olga.open(f"{SETTINGS}/retention")
    page.get_by_label("Days that answers are kept").fill("90")
    page.get_by_role("button", name="Set the times").click()
    expect(page.get_by_label("Days that answers are kept")).to_have_value("90")
    erase = page.locator("#erase")
    erase.get_by_label("Text").fill("ada lovelace")
    erase.get_by_role("button", name="Search").click()
    expect(erase.get_by_role("region", name="Would be erased")).to_contain_text("1")
    erase.get_by_label("Reason").fill("Asked for")
    erase.get_by_role("button", name="Erase for good").click()
    expect(page.locator("[aria-labelledby=purges]")).to_contain_text("Asked for")
    assert Retention.objects.get().answers_days == 90 and Purge.objects.count() == 1
    assert "Lovelace" not in Comment.objects.get().body

    olga.open("/w/acme/notifications")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Mark unread")).to_be_visible()
    page.get_by_role("link", name="Choose what you hear of").click()
    page.wait_for_url("**/settings/profile#news")
    page.get_by_label("Name").fill("Olga Ek")
    page.get_by_role("button", name="Change the name").click()
    told(page, "Your name is changed")
    page.get_by_label("Time zone").select_option("Asia/Kolkata")
    page.locator("form").filter(has=page.get_by_label("Time zone")).get_by_role("button", name="Change").click()
    told(page, "Zone and theme are changed")
    news = page.locator("#news")
    news.get_by_role("combobox").first.select_option("Off")
    news.get_by_role("button", name="Change").click()
    told(page, "Your notifications are changed")
    olga.open(f"{SETTINGS}/audit")
    expect(page.locator("tr[id^=event-]").first.locator("time")).to_have_attribute("title", re.compile(r"GMT\+5:30"))
    member = Member.objects.select_related("user").get(pk=people.olga.member_id)
    assert (member.user.name, member.user.time_zone, len(member.muted)) == ("Olga Ek", "Asia/Kolkata", 1)
    assert olga.complaints == []


def test_provider_webhook_and_run__tried_sent_again_and_cancelled__answer_for_real(
    people: Cast, browser: Browser, tmp_path: Path
) -> None:
    with (
        building.scripted(Rule(answer="ready")) as provider,
        run_web(tmp_path, OUTBOUND_ALLOW=f"127.0.0.1:{provider.port}") as web,
    ):
        building.add_provider(people, provider)
        building.suite(people.ada, of=building.cases(40), scorers=[{"kind": "contains"}])
        olga = Seat(browser, web, people.olga)
        _try_provider(olga)
        _send_again(olga, f"http://127.0.0.1:{provider.port}/hook")
        _cancel(olga)
        assert olga.complaints == []
        leave(browser)


def _try_provider(olga: Seat) -> None:
    """One short question, answered on the page."""
    page = olga.open(f"{SETTINGS}/providers")
    page.get_by_role("link", name="Change, try").click()
    page.get_by_role("button", name="Test the connection").click()
    expect(page.locator("#trial")).to_contain_text("scripted answered")
    expect(page.locator("#trial")).to_contain_text("ready")


def _send_again(olga: Seat, address: str) -> None:
    """An endpoint that refuses: its answer is in the log, and each further try too."""
    page = olga.open(f"{SETTINGS}/webhooks")
    new = page.locator("#new")
    new.get_by_label("Address").fill(address)
    new.get_by_role("textbox", name="Name").fill("Chat")
    new.get_by_role("button", name="Add").click()
    expect(page.locator(".secret")).to_contain_text("whsec_")
    hook = Webhook.objects.get()

    olga.open(f"{SETTINGS}/webhooks/{hook.pk}")
    page.get_by_role("button", name="Send a test event").click()
    assert not deliver_webhook(hook.deliveries.get().pk, owner="test")
    page.reload()
    row = page.get_by_role("region", name="What was sent").locator("tbody tr")
    expect(row).to_contain_text(f"{WebhookTry.objects.get().status} in ")
    row.get_by_role("button", name="Send again").click()
    told(page, "webhook.test is sent again")
    assert not deliver_webhook(hook.deliveries.get().pk, owner="test")
    page.reload()
    row.locator("summary").click()
    expect(row.locator("details li")).to_have_count(2)


def _cancel(olga: Seat) -> None:
    """A run that was begun ends as it stands, and can go on."""
    page = olga.open("/w/acme/runs/new?prompt=support/triage")
    page.get_by_role("button", name="Start").click()
    live = page.locator("#live")
    live.get_by_role("button", name="Cancel").click()
    expect(live).to_contain_text("Cancelled")
    assert Run.objects.get().state == "cancelled"
    live.get_by_role("button", name="Resume").click()
    expect(live.get_by_role("button", name="Cancel")).to_be_visible()
    assert Run.objects.get().state == "queued"
