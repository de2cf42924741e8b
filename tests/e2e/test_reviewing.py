"""A reviewer at work in a real browser: by keyboard alone, and what stays of a remark."""

from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import open_promotion
from prompts_app.models import Approval, Comment, Promotion
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import Seat
from tests.scenes import go_live
from tests.servers import Web

pytestmark = pytest.mark.e2e

LOOSE = {"require_predecessor": False, "require_suites": False, "min_suites": 0}
LINES = [f"Rule {number}: be exact about item {number}." for number in range(1, 31)]


@dataclass(frozen=True)
class Desk:
    """A promotion that waits for Grace, who sits in front of a browser."""

    promotion: Promotion
    cast: Cast
    web: Web
    browser: Browser

    def seat(self, who: str) -> Seat:
        """One of the cast, signed in."""
        return Seat(self.browser, self.web, getattr(self.cast, who))


@pytest.fixture
def desk(web: Web, browser: Browser) -> Desk:
    cast = make_cast()
    production = change_environment(cast.olga, cast.environment("production"), policy={**LOOSE, "approvals": 0})
    prompt = builders.prompt(cast.ada, "support/rules", text="\n".join(LINES))
    go_live(cast, prompt.versions.select_related("prompt").get(), "production")
    production = change_environment(cast.olga, production, policy={"approvals": 1})
    changed = [
        *LINES[:9],
        "Rule 10: be brief about item 10.",
        *LINES[10:24],
        "Rule 25: be\u200b exact about item 25.",
        *LINES[25:],
    ]
    candidate = builders.version(cast.ada, prompt, "\n".join(changed))
    return Desk(open_promotion(cast.ada, candidate, production, title="Be brief"), cast, web, browser)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.tagName"))


def test_review__by_keyboard_alone__from_the_inbox_to_a_comment_on_a_line_and_an_approval(desk: Desk) -> None:
    grace = desk.seat("grace")
    page = grace.open("/w/acme/reviews")
    expect(page.get_by_text("Approve it, or ask for changes")).to_be_visible()

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/promotions/*")
    expect(page.locator("#blockers-title")).to_contain_text("0 of 1 approvals. You can see to it now.")

    page.keyboard.press("n")
    assert focused(page) == "text-new-10"
    page.keyboard.press("n")
    assert focused(page) == "text-new-25"
    expect(page.locator("#text-new-25 .invisible")).to_have_text("zero width space")
    page.keyboard.press("p")
    assert focused(page) == "text-new-10"

    page.keyboard.press("c")
    page.keyboard.type("Brief how?")
    page.keyboard.press("Control+Enter")
    thread = page.locator("#text-new-10 + .thread")
    expect(thread).to_contain_text("Brief how?")
    remark = Comment.objects.get()
    assert (remark.path, remark.side, remark.line) == ("text", "new", 10)
    assert remark.quote == "Rule 10: be brief about item 10."

    page.keyboard.press("v")
    page.keyboard.type("Reads well.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#conversation")).to_contain_text("approved")
    assert Approval.objects.get().comment == "Reads well."
    assert grace.complaints == []


def test_review__a_remark_on_a_line__is_answered_resolved_and_outdated_after_a_rebase(desk: Desk) -> None:
    grace, ada = desk.seat("grace"), desk.seat("ada")
    address = f"/w/acme/promotions/{desk.promotion.pk}"
    page = grace.open(address)
    page.locator("#text-new-10").hover()
    page.locator("#text-new-10 .say").click()
    page.get_by_label("Comment on line 10").fill("Brief how?")
    page.get_by_role("button", name="Comment on the line").click()
    expect(page.locator(".diff-lines .thread")).to_contain_text("Brief how?")

    page = ada.open(address)
    page.locator(".diff-lines .thread summary", has_text="Answer").click()
    page.get_by_label("Answer to Grace").fill("In one line.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".diff-lines .thread")).to_contain_text("In one line.")
    page.locator(".diff-lines .thread").get_by_role("button", name="Resolve").click()
    expect(page.locator(".diff-lines .thread")).to_contain_text("Resolved by Ada")

    change_environment(desk.cast.olga, desk.promotion.environment, policy={"approvals": 0})
    go_live(desk.cast, builders.version(desk.cast.ada, desk.promotion.prompt, "\n".join(LINES[:20])), "production")
    page = ada.open(address)
    page.get_by_role("button", name="Rebase onto what is live").click()
    expect(page.locator(".diff-lines .thread")).to_have_count(0)
    outdated = page.locator("#conversation .thread")
    expect(outdated).to_contain_text("outdated: said before the rebase")
    expect(outdated.locator("blockquote")).to_have_text("Rule 10: be brief about item 10.")
    assert ada.complaints == [] and grace.complaints == []


def test_review__without_scripts__takes_a_comment_on_a_line_and_the_record_downloads(desk: Desk) -> None:
    grace = desk.seat("grace")
    context = desk.browser.new_context(java_script_enabled=False, storage_state=grace.context.storage_state())
    page = context.new_page()
    page.goto(f"{desk.web.url}/w/acme/promotions/{desk.promotion.pk}")
    page.locator("#text-new-10 .say").click(force=True)
    page.get_by_label("Comment on line 10").fill("Without a script.")
    page.get_by_role("button", name="Comment on the line").click()
    expect(page.locator(".diff-lines .thread")).to_contain_text("Without a script.")

    with page.expect_download() as found:
        page.get_by_role("link", name="All of it in one file").click()
    text = found.value.path().read_text(encoding="utf-8")
    assert found.value.suggested_filename == f"promotion-{desk.promotion.pk}.html"
    assert "Without a script." in text and desk.promotion.version.digest in text and "<script" not in text
    context.close()
