"""A reviewer at work in a real browser: by keyboard alone, and what stays of a remark."""

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import open_promotion, schedule
from prompts_app.models import Approval, Comment, Promotion
from tests import builders
from tests.builders import Cast, make_cast
from tests.e2e.conftest import PATIENCE_MS, Seat
from tests.evals import building
from tests.scenes import approve, fresh, go_live
from tests.servers import Web

pytestmark = pytest.mark.e2e

# What the corner of a field does that is drawn larger: the browser writes it as a style of the element.
LOOKED_AT = """(isSeen) => {
  Object.defineProperty(document, "hidden", { value: !isSeen, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
DRAGGED = "(field) => { field.style.height = '240px'; }"
# A part that is fetched anew while something in it has had a style from a script.
SWAPPED = """
async () => {
  const [part, inner] = ["part", "inner"].map((id) => Object.assign(document.createElement("div"), { id }));
  part.append(inner);
  document.querySelector("#main").append(part);
  inner.style.color = "red";
  inner.style.removeProperty("color");
  await htmx.swap({ target: part, text: "<div id=part><div id=inner>new</div></div>", swap: "outerHTML" });
}
"""
# The number itself, in its cell, lies behind the mark.
BESIDE = """
(line) => {
  const text = document.createRange();
  text.selectNodeContents(line.querySelector("a.dn"));
  return text.getBoundingClientRect().left >= line.querySelector(".say").getBoundingClientRect().right;
}
"""
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


def top(page: Page, selector: str) -> float:
    """Where the part of the page begins."""
    place = page.locator(selector).bounding_box()
    assert place
    return place["y"]


def test_review__by_keyboard_alone__from_the_inbox_to_a_comment_on_a_line_and_an_approval(desk: Desk) -> None:
    grace = desk.seat("grace")
    page = grace.open("/w/acme/reviews")
    expect(page.get_by_text("Approve it, or ask for changes")).to_be_visible()

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/promotions/*")
    expect(page.locator("#blockers-title")).to_contain_text("0 of 1 approvals. You can approve it now.")

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

    page.wait_for_load_state()  # keys are heard once the scripts are there
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


def test_promotion__left_open__shows_votes_and_that_it_went_live_and_keeps_what_is_being_written(desk: Desk) -> None:
    ada, address = desk.seat("ada"), f"/w/acme/promotions/{desk.promotion.pk}"
    page = ada.open(f"{address}?view=split")
    page.locator("#text-new-10").hover()
    page.locator("#text-new-10 [data-say]").click()
    page.locator("#your-review textarea").fill("Is it")
    page.locator("#say textarea").fill("Brief h")

    approve(desk.cast.grace, desk.promotion)
    expect(page.locator("#blockers-title")).to_contain_text(
        "Nothing stands in the way. Rosa or Olga can promote it.", timeout=PATIENCE_MS
    )
    expect(page.locator("#conversation")).to_contain_text("Grace approved")
    page.keyboard.type("ow?")
    expect(page.locator("#text-new-10 ~ #say textarea")).to_have_value("Brief how?")
    expect(page.locator("#your-review textarea")).to_have_value("Is it")
    expect(page.locator("#changes [aria-current]")).to_have_text("Side by side")

    apply_promotion(desk.cast.rosa, fresh(desk.promotion), stamp=None)
    expect(page.locator("#toasts")).to_contain_text("v2 is live in Production now.", timeout=PATIENCE_MS)
    expect(page.locator("#main")).to_contain_text("Promoted just now by Rosa")
    expect(page.locator("#blockers")).to_have_count(0)
    assert ada.complaints == []


def test_review__written_while_somebody_else_approves__stays_where_its_form_goes(desk: Desk) -> None:
    grace = desk.seat("grace")
    page = grace.open(f"/w/acme/promotions/{desk.promotion.pk}")
    page.locator("#blockers #your-review textarea").fill("Is it")

    approve(desk.cast.rosa, desk.promotion)
    expect(page.locator("#blockers-title")).to_contain_text("Nothing stands in the way.", timeout=PATIENCE_MS)
    page.keyboard.type(" new?")

    expect(page.locator("aside #your-review textarea")).to_have_value("Is it new?")
    assert grace.complaints == []


@pytest.mark.parametrize("width", [1280, 1024, 390])
def test_promotion__at_any_width__is_read_in_the_order_of_its_text_with_all_of_both_columns(
    desk: Desk, width: int
) -> None:
    page = desk.seat("rosa").open(f"/w/acme/promotions/{desk.promotion.pk}?view=split")
    page.set_viewport_size({"width": width, "height": 900})

    tops = [top(page, part) for part in ("#your-review", "#changes", "#checks", "#conversation")]
    assert tops == sorted(tops)
    beside = top(page, "#apply")
    assert beside < tops[1] if width > 1080 else tops[2] < beside < tops[3]
    if width > 390:
        assert page.locator(".diff-lines[data-two]").first.evaluate("(box) => box.scrollWidth === box.clientWidth")


def test_promotion__whose_evidence_does_not_come__leads_to_it(desk: Desk) -> None:
    page = desk.seat("grace").page
    page.route(re.compile(r"/evidence\?"), lambda route: route.abort())
    page.goto(f"{desk.web.url}/w/acme/promotions/{desk.promotion.pk}")

    page.get_by_role("link", name="The evidence in full").click()

    expect(page.get_by_role("heading", name="Evidence", exact=True)).to_be_visible()


def test_promotion__opened_just_now__shows_its_run_start_by_itself_while_one_writes(desk: Desk) -> None:
    with building.scripted() as provider:
        building.add_provider(desk.cast, provider)
        change_environment(desk.cast.olga, desk.cast.environment("production"), policy={"require_suites": True})
        building.require(desk.cast.ada, building.suite(desk.cast.ada), desk.promotion.prompt)
        ada = desk.seat("ada")
        page = ada.open(f"/w/acme/promotions/{desk.promotion.pk}")
        expect(page.locator("#evidence")).to_contain_text("Starts by itself")
        expect(page.locator("#blockers")).to_contain_text("Its answer comes by itself")
        expect(page.get_by_role("button", name="Run what is missing")).to_have_count(0)
        page.locator("#your-review textarea").fill("Is it")
        page.locator("#your-review textarea").evaluate(DRAGGED)

        asked: list[str] = []
        page.evaluate(LOOKED_AT, False)
        page.on("request", lambda request: asked.append(request.url) if "/evidence" in request.url else None)
        page.wait_for_timeout(3_000)
        assert asked == [], "nobody looks at it"
        page.evaluate(LOOKED_AT, True)
        builders.deliver()
        expect(page.locator("#blockers")).to_contain_text("“Numbers” is still running.")
        expect(page.locator("#evidence")).to_contain_text("answers")
        page.keyboard.type(" new?")
        expect(page.locator("#your-review textarea")).to_have_value("Is it new?")
        building.work_all()
        expect(page.locator("#blockers")).not_to_contain_text("“Numbers” is still running.")
        expect(page.locator("#your-review textarea")).to_have_css("height", "240px")
        page.evaluate(SWAPPED)
        assert ada.complaints == []


def test_promotion__scheduled_while_a_reviewer_reads__is_not_changed_under_their_hands(desk: Desk) -> None:
    page = desk.seat("grace").open(f"/w/acme/promotions/{desk.promotion.pk}")
    page.locator("#your-review textarea").fill("Good.")

    schedule(desk.cast.rosa, fresh(desk.promotion), stamp=None, at=timezone.now() + timedelta(days=1))

    expect(page.locator("#evidence")).to_contain_text(
        "What is asked for here has changed since you opened it.", timeout=PATIENCE_MS
    )
    expect(page.locator("#blockers-title")).not_to_contain_text("due")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert").filter(has_text="changed")).to_be_visible()
    expect(page.locator("#your-review textarea")).to_have_value("Good.")


def test_inbox__pressed_on_what_a_row_says_to_do__opens_the_promotion(desk: Desk) -> None:
    page = desk.seat("grace").open("/w/acme/reviews")

    place = page.get_by_text("Approve it, or ask for changes").bounding_box()
    assert place
    page.mouse.click(place["x"] + 20, place["y"] + place["height"] / 2)

    expect(page).to_have_url(re.compile(rf"/promotions/{desk.promotion.pk}$"))


def test_tabs__on_a_narrow_screen__show_the_one_that_is_open(desk: Desk) -> None:
    grace = desk.seat("grace")
    page = grace.open("/w/acme/")
    page.set_viewport_size({"width": 390, "height": 844})

    for place in ("", "/drafts/edit", "/versions", "/diff", "/versions/usage"):
        page.goto(f"{grace.url}/w/acme/prompts/support/rules{place}")
        expect(page.locator(".tabs a[aria-current]")).to_be_in_viewport(ratio=0.9)


def test_lines__at_390_px__have_their_number_beside_the_mark_that_comments_on_them(desk: Desk) -> None:
    page = desk.seat("grace").open(f"/w/acme/promotions/{desk.promotion.pk}")
    page.set_viewport_size({"width": 390, "height": 844})
    lines = [line for line in page.locator(".dl:has(> .say)").all() if line.is_visible()]

    assert len(lines) >= 2 and all(line.evaluate(BESIDE) for line in lines)
