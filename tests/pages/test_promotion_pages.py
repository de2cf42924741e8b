"""From asking to going back, with plain forms."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import open_promotion, schedule
from prompts_app.actions.reviews import comment
from prompts_app.facts import live_deployment, subject_of
from prompts_app.models import (
    Approval,
    CheckState,
    Comment,
    Environment,
    Promotion,
    Prompt,
    Vote,
)
from registry.core.actions.workspaces import change_member
from registry.core.models import Member
from registry.core.templatetags.ui import part_words
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.scenes import approve, fresh, post, suite

PRODUCTION = {"approvals": 1, "require_predecessor": False, "require_suites": False, "min_suites": 0}


@pytest.fixture
def production(cast: Cast) -> Environment:
    return change_environment(cast.olga, cast.environment("production"), policy=PRODUCTION)


@pytest.fixture
def prompt(cast: Cast, production: Environment) -> Prompt:
    return builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")


@pytest.fixture
def waiting(cast: Cast, production: Environment, prompt: Prompt) -> Promotion:
    return open_promotion(cast.ada, prompt.versions.select_related("prompt")[0], production)


def form_of(page: str) -> dict[str, str]:
    """The hidden fields that the promotion's page sends along."""
    hidden = dict(re.findall(r'<input type="hidden" name="(stamp|subject_hash)" value="([^"]*)"', page))
    assert set(hidden) == {"stamp", "subject_hash"}
    return hidden


def live_number(prompt: Prompt, environment: Environment) -> int | None:
    live = live_deployment(prompt, environment)
    return live.version.number if live and live.version else None


def test_promotion__opened_approved_applied__is_live_and_its_page_tells_the_story(
    cast: Cast, as_: SignedIn, prompt: Prompt, production: Environment
) -> None:
    ada, grace, rosa = as_(cast.ada), as_(cast.grace), as_(cast.rosa)

    opened = ada.post("/w/acme/prompts/support/triage/promotions", {"version": "1", "environment": "production"})
    address = opened["Location"]
    assert "0 of 1 approvals" in grace.get(address).content.decode()
    for listed in ("reviews", "promotions"):
        assert ">support/triage · Version 1 to Production</a>" in grace.get(f"/w/acme/{listed}").content.decode()
    grace.post(f"{address}/approve", {**form_of(grace.get(address).content.decode()), "comment": "Reads well"})
    assert "Nothing stands in the way. You can promote it." in rosa.get(address).content.decode()
    rosa.post(f"{address}/apply", form_of(rosa.get(address).content.decode()))

    page = ada.get(address).content.decode()
    assert live_number(prompt, production) == 1
    assert "Reads well" in page and "promoted it" in page
    assert "as change 1 of what is live in Production." in page
    assert address not in grace.get("/w/acme/reviews").content.decode()


def test_promotion__opened_twice__names_the_one_that_is_open(cast: Cast, as_: SignedIn, waiting: Promotion) -> None:
    given = {"version": "1", "environment": "production"}

    answer = as_(cast.ada).post("/w/acme/prompts/support/triage/promotions", given)

    assert answer.status_code == 422 and f"Promotion {waiting.pk} asks for the same" in answer.content.decode()


def test_vote__on_what_has_changed_since__is_refused_and_the_comment_is_kept(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    grace, address = as_(cast.grace), f"/w/acme/promotions/{waiting.pk}"
    seen = form_of(grace.get(address).content.decode())

    stale = grace.post(f"{address}/approve", {**seen, "subject_hash": "0" * 64, "comment": "I thought hard"})
    late = grace.post(f"{address}/approve", {**seen, "stamp": "999", "comment": "I thought hard"})

    assert (stale.status_code, late.status_code) == (409, 412)
    assert all("I thought hard" in answer.content.decode() for answer in (stale, late))
    assert not Approval.objects.exists()


def test_vote__by_the_author_or_an_editor__is_forbidden_and_the_page_says_why(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    ada, address = as_(cast.ada), f"/w/acme/promotions/{waiting.pk}"
    given = {"stamp": str(waiting.stamp), "subject_hash": subject_of(waiting).hash}

    answer = ada.post(f"{address}/approve", given)

    assert answer.status_code == 403
    assert "takes the role reviewer" in ada.get(address).content.decode()
    assert "/approve" not in ada.get(address).content.decode()


def test_review__of_whoever_has_voted__offers_what_would_still_change_something(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    grace, address = as_(cast.grace), f"/w/acme/promotions/{waiting.pk}"

    def form() -> tuple[tuple[str, str], str]:
        page = grace.get(address).content.decode()
        found = re.search(r'<button class="([^"]*)" type="submit" formaction="[^"]*/approve">.*?(Approve[^<]*)<', page)
        return (found[1], found[2]) if found else ("", ""), page.partition('id="your-review"')[2].partition("</form>")[
            0
        ]

    before = form()[0]
    approve(cast.grace, waiting)
    approved, said = form()
    schedule(cast.rosa, fresh(waiting), stamp=None, at=timezone.now() + timedelta(days=1))
    stale, why = form()
    approve(cast.grace, waiting, Vote.REQUEST_CHANGES)
    objected, how = form()

    assert (before, approved) == (("btn primary", "Approve"), ("", ""))
    assert "You have approved exactly this, and it counts." in said and "Take back my vote" in said
    assert stale == ("btn primary", "Approve again") and "the time it is scheduled for is another one" in why
    assert "Stale" in why
    assert objected == ("btn", "Approve") and "You have asked for changes. Approving takes that back." in how


def test_review__where_the_readers_vote_is_missing__is_given_in_the_box_and_promote_is_no_second_primary(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    address = f"/w/acme/promotions/{waiting.pk}"

    def parts(page: str) -> list[str]:
        return re.findall(r'id="(blockers|your-review|changes|checks|apply|conversation)"', page)

    rosa = as_(cast.rosa).get(address).content.decode()
    ada = as_(cast.ada).get(address).content.decode()
    approve(cast.grace, waiting)
    ready = as_(cast.rosa).get(address).content.decode()

    assert parts(rosa) == ["blockers", "your-review", "changes", "checks", "apply", "conversation"]
    assert parts(ada) == ["blockers", "changes", "checks", "your-review", "conversation"]
    assert "<dt>Can promote</dt><dd>Rosa or Olga</dd>" in ada and "<dt>Can promote</dt>" not in rosa
    assert rosa.count("0 of 1 approvals") == ada.count("0 of 1 approvals") == 1
    assert 'href="#your-review"' not in rosa
    assert '<button class="btn wide" type="submit" disabled>' in rosa
    assert '<button class="btn primary wide" type="submit">' in ready
    shown = [re.sub(r"(?s)<template.*?</template>", "", page.partition("<main")[2]) for page in (rosa, ada, ready)]
    assert [page.count("btn primary") for page in shown] == [1, 0, 1]


def test_promotion__read_by_a_viewer__offers_nothing_that_would_be_refused(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    vera, ada, address = as_(cast.vera), as_(cast.ada), f"/w/acme/promotions/{waiting.pk}"

    def posts(page: str) -> set[str]:
        return set(re.findall(rf'action="{address}/([a-z-]+)"', page.partition("<main")[2]))

    comment(cast.grace, waiting, body="Why so short?")
    open_ = vera.get(address).content.decode()
    schedule(cast.rosa, fresh(waiting), stamp=None, at=timezone.now() + timedelta(days=1))
    scheduled = vera.get(address).content.decode()

    assert "You can read this. Commenting takes the role editor, approving the role reviewer." in open_
    assert "Ada, Grace, Rosa or Olga can clear it" in open_ and "<textarea" not in open_.partition("<main")[2]
    assert posts(open_) == posts(scheduled) == set()
    assert posts(ada.get(address).content.decode()) >= {"comments", "close", "reopen", "unschedule"}


def test_vote__withdrawn_and_changes_requested__show_on_the_page(cast: Cast, as_: SignedIn, waiting: Promotion) -> None:
    grace, address = as_(cast.grace), f"/w/acme/promotions/{waiting.pk}"

    grace.post(f"{address}/request-changes", {**form_of(grace.get(address).content.decode()), "comment": "Too terse"})
    asked = grace.get(address).content.decode()
    for_olga, for_rosa = (as_(one).get(address).content.decode() for one in (cast.olga, cast.rosa))
    grace.post(f"{address}/withdraw-vote", form_of(asked))
    after = grace.get(address).content.decode()

    assert "Grace asked for changes." in asked and "Too terse" in asked
    assert f"{address}/dismiss" in for_olga and f"{address}/dismiss" not in for_rosa
    assert "Grace asked for changes." not in after and "took back their vote" in after


def test_apply__while_something_stands_in_the_way__says_what_and_changes_nothing(
    cast: Cast, as_: SignedIn, waiting: Promotion, prompt: Prompt, production: Environment
) -> None:
    answer = as_(cast.rosa).post(f"/w/acme/promotions/{waiting.pk}/apply", {"stamp": str(waiting.stamp)})

    assert answer.status_code == 409 and "Something is in the way" in answer.content.decode()
    assert live_number(prompt, production) is None


def test_override__too_short_a_reason__keeps_it_and_a_good_one_goes_live_until_reviewed(
    cast: Cast, as_: SignedIn, waiting: Promotion, prompt: Prompt, production: Environment
) -> None:
    as_(cast.olga).post("/w/acme/settings/members/rosa@example.com", {"role": "releaser", "grants": ["override"]})
    rosa, grace, address = as_(cast.rosa), as_(cast.grace), f"/w/acme/promotions/{waiting.pk}"
    stamp = {"stamp": str(waiting.stamp)}

    short = rosa.post(f"{address}/override", {**stamp, "reason": "Now!"})
    rosa.post(f"{address}/override", {**stamp, "reason": "Customers are told wrong prices right now."})
    before = grace.get(address).content.decode()
    grace.post(f"{address}/review-override", stamp)

    assert short.status_code == 422 and ">Now!</textarea>" in short.content.decode()
    assert live_number(prompt, production) == 1
    assert "Not yet reviewed" in before and "Reviewed by Grace" in grace.get(address).content.decode()


def test_schedule__set_and_lifted__shows_the_time(cast: Cast, as_: SignedIn, waiting: Promotion) -> None:
    rosa, address = as_(cast.rosa), f"/w/acme/promotions/{waiting.pk}"

    def form() -> dict[str, str]:
        return form_of(rosa.get(address).content.decode())

    past = rosa.post(f"{address}/schedule", {**form(), "at_typed": "2001-01-01T10:00"})
    nonsense = rosa.post(f"{address}/schedule", {**form(), "at_typed": "soon"})
    rosa.post(f"{address}/schedule", {**form(), "at_typed": _soon()})
    scheduled = rosa.get(address).content.decode()
    rosa.post(f"{address}/unschedule", form())
    rosa.post(f"{address}/schedule", {**form(), "at_typed": _soon(days=20)})
    late = rosa.get(address).content.decode()
    rosa.post(f"{address}/unschedule", form())

    assert (past.status_code, nonsense.status_code) == (422, 422)
    after = rosa.get(address).content.decode()

    assert "Unschedule" in scheduled and "expires before that" not in scheduled
    assert "It expires before that" in late
    assert Promotion.objects.get(pk=waiting.pk).state == "open"
    due = re.search(r"It is due on <time datetime=\"[^\"]*\"[^>]*>", scheduled)
    assert due and 'data-code="schedule.not_due"' not in scheduled
    story = after.partition('id="conversation"')[2].partition("</section>")[0]
    told = re.findall(r"(scheduled it for <time|took its time away)", story)
    assert told == ["scheduled it for <time", "took its time away"] * 2


def test_comment__made_and_resolved__stays_on_the_page(cast: Cast, as_: SignedIn, waiting: Promotion) -> None:
    ada, address = as_(cast.ada), f"/w/acme/promotions/{waiting.pk}"

    empty = ada.post(f"{address}/comments", {"comment": "  "})
    ada.post(f"{address}/comments", {"comment": "<b>bold</b>\r\nsecond"})
    comment = Comment.objects.get()
    ada.post(f"{address}/comments/{comment.pk}", {"resolved": "1"})

    assert empty.status_code == 422 and comment.body == "<b>bold</b>\nsecond"
    page = ada.get(address).content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page and "resolved by Ada" in page


def test_close_and_ready__change_the_state(cast: Cast, as_: SignedIn, waiting: Promotion) -> None:
    rosa, address = as_(cast.rosa), f"/w/acme/promotions/{waiting.pk}"

    rosa.post(f"{address}/ready", {**form_of(rosa.get(address).content.decode()), "ready": "1"})
    ready = rosa.get(address).content.decode()
    rosa.post(f"{address}/close", {**form_of(ready), "reason": "Not needed"})

    assert "Rosa set it to be promoted as soon as" in ready
    story = rosa.get(address).content.decode().partition('id="conversation"')[2]
    assert "set it to be promoted when ready" in story and "closed it" in story and story.count("Not needed") == 1


def test_promotion__unknown_button_or_read_as_a_write__is_refused(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    rosa, address = as_(cast.rosa), f"/w/acme/promotions/{waiting.pk}"

    assert rosa.post(f"{address}/explode").status_code == 404
    assert rosa.get(f"{address}/apply").status_code == 405
    assert as_(cast.linus).post(f"/w/not-acme/promotions/{waiting.pk}/apply").status_code == 404


def test_promotion__with_a_newer_one_beside_it__says_so_and_leads_there(
    cast: Cast, as_: SignedIn, prompt: Prompt, waiting: Promotion
) -> None:
    newer = open_promotion(cast.grace, builders.version(cast.ada, prompt, "Newer {{ name }}"), waiting.environment)
    old, new = (as_(cast.vera).get(f"/w/acme/promotions/{one.pk}").content.decode() for one in (waiting, newer))

    assert (
        f'<a href="/w/acme/promotions/{newer.pk}">v2 is proposed for Production too</a>, opened later by Grace' in old
    )
    assert "is proposed for Production too" not in new


def test_prompt__with_a_version_on_its_way_whose_checks_failed__says_so(
    cast: Cast, as_: SignedIn, prompt: Prompt, waiting: Promotion
) -> None:
    suite(cast.olga, prompt)
    post(waiting.version, waiting.environment, CheckState.FAILED)

    page = as_(cast.vera).get("/w/acme/prompts/support/triage").content.decode()
    on_its_way = page.partition("v1 is held back")[2].partition("</li>")[0]

    assert ">suite failed<" in on_its_way


def test_promotion_form__says_what_has_to_come_first_where_it_goes(
    cast: Cast, as_: SignedIn, prompt: Prompt, production: Environment
) -> None:
    address = "/w/acme/prompts/support/triage/promotions?environment="
    of_ada = as_(cast.ada).get(f"{address}production").content.decode()
    of_rosa = as_(cast.rosa).get(f"{address}staging").content.decode()

    assert "live in Production once somebody else has approved it, and Rosa or Olga has promoted it." in of_ada
    assert "once it has been live in Development, its required suites" in of_rosa and "you have promoted it" in of_rosa


def test_promotion__applied__leads_on_to_the_next_stage_and_back(
    cast: Cast, as_: SignedIn, prompt: Prompt, production: Environment
) -> None:
    change_environment(cast.olga, cast.environment("staging"), policy={**PRODUCTION, "approvals": 0})
    rosa, new = as_(cast.rosa), "/w/acme/prompts/support/triage/promotions"
    address = rosa.post(new, {"version": "1", "environment": "staging"})["Location"]
    rosa.post(f"{address}/apply", form_of(rosa.get(address).content.decode()))

    alone = rosa.get(address).content.decode()
    above = rosa.post(new, {"version": "1", "environment": "production"})["Location"]
    with_one_open = rosa.get(address).content.decode()

    assert f'href="{new}?version=1&amp;environment=production"' in alone and "Promote it to Production" in alone
    assert f'href="{above}"' in with_one_open and "Promote it to Production" not in with_one_open
    assert "Go back…" not in alone, "nothing was live there before"


def test_promotion__asked_to_be_changed_without_a_word__is_refused(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    grace, address = as_(cast.grace), f"/w/acme/promotions/{waiting.pk}"
    guard = form_of(grace.get(address).content.decode())

    refused = grace.post(f"{address}/request-changes", {**guard, "comment": " "})

    assert refused.status_code == 422 and "Say what has to change" in refused.content.decode()
    assert not Approval.objects.filter(promotion=waiting).exists()


def test_promotion__scheduled_for_a_time_that_is_past__keeps_the_form_open_with_what_was_chosen(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    rosa, address = as_(cast.rosa), f"/w/acme/promotions/{waiting.pk}"
    guard = form_of(rosa.get(address).content.decode())

    page = rosa.post(f"{address}/schedule", {**guard, "at_typed": "2020-01-01T10:00"}).content.decode()

    assert "It takes a time in the future, within a year." in page
    assert 'value="2020-01-01T10:00"' in page
    assert re.search(r'<details class="disclose" open>\s*<summary>Schedule', page)


def test_promotion__overridden__tells_what_it_went_live_over_and_who_could_have_done_so(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    rosa, address = as_(cast.rosa), f"/w/acme/promotions/{waiting.pk}"
    before = rosa.get(address).content.decode()
    member = Member.objects.get(pk=cast.rosa.member_id)
    change_member(cast.olga, member, grants=["override"])
    reason = "It cannot wait for anybody any more"
    rosa.post(f"{address}/override", {**form_of(before), "reason": reason})

    page = rosa.get(address).content.decode()

    assert "can be overridden, with a reason, by whoever" in before
    assert reason in page and "<li>0 of 1 approvals.</li>" in page and "promoted it over what stood in the way" in page


def test_part__of_a_prompt__is_named_in_words() -> None:
    assert part_words("messages[0]") == "message 1" and part_words("messages[2].content") == "message 3.content"
    assert part_words("text") == "text"


def _soon(days: int = 2) -> str:
    from datetime import UTC, datetime, timedelta

    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M}"
