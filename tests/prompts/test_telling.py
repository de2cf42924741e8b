from datetime import timedelta
from typing import Any

import pytest

from prompts_app.actions.applying import apply_due, apply_promotion, override_promotion
from prompts_app.actions.following import follow, unfollow
from prompts_app.actions.promotions import (
    acknowledge_breaking,
    close,
    expire_promotions,
    open_promotion,
    rebase,
    reopen,
    schedule,
    set_ready,
)
from prompts_app.actions.reviews import comment
from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.models import CheckState, Promotion, Vote
from registry.core import outbox
from registry.core.actions.notifications import choose_news, mark_page
from registry.core.actor import Actor, Role
from registry.core.models import JobState, Mail, Member, Notification, OutboxMessage
from registry.core.notification_queries import inbox
from tests.builders import Cast, deliver, join, prompt, version
from tests.scenes import approve, fresh, go_live, in_minutes, let_pass, policy, post, suite


def told(actor: Actor) -> list[str]:
    """The lines in a person's inbox, oldest first, after everything waiting was delivered twice."""
    deliver()
    for message in OutboxMessage.objects.order_by("pk"):
        OutboxMessage.objects.filter(pk=message.pk).update(state=JobState.QUEUED, attempt=0)
        assert outbox.dispatch(message.pk, owner="again")
    user = Member.objects.get(pk=actor.member_id).user_id
    return list(Notification.objects.filter(user=user).order_by("pk").values_list("text", flat=True))


def forget(cast: Cast) -> None:
    """Deliver what waits and empty every inbox, so that a test sees only what comes."""
    deliver()
    OutboxMessage.objects.all().delete()
    Notification.objects.all().delete()


def asked(cast: Cast, text: str = "a", environment: str = "staging") -> Promotion:
    return open_promotion(cast.ada, prompt(cast.ada, text=text).versions.get(), cast.environment(environment))


def test_opened__tells_eligible_reviewers_and_nobody_else(free: Cast) -> None:
    made = prompt(free.rosa, text="1")
    open_promotion(free.ada, version(free.ada, made, "2"), free.environment("staging"))
    line = ["Ada opened a promotion of support/triage v2 to Staging"]
    assert told(free.grace) == line
    assert told(free.olga) == line
    for actor in (free.ada, free.rosa, free.vera, free.linus):
        assert told(actor) == []


def test_opened__where_an_approval_is_needed__asks_for_it(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    asked(free)
    assert told(free.grace) == ["Ada asks to promote support/triage v1 to Staging"]


def test_inbox__what_the_reader_did_themself__is_no_news_but_what_others_did_is(free: Cast) -> None:
    """The lines are kept, and read; nothing that is marked as unread brings them in."""
    row = asked(free)
    twin = open_promotion(free.ada, version(free.ada, row.prompt, "b"), free.environment("staging"))
    approve(free.grace, row)
    acknowledge_breaking(free.ada, row, stamp=None)
    deliver()
    close(free.ada, row, stamp=None, reason="not now")
    apply_promotion(free.rosa, twin, stamp=None)
    kept = told(free.ada)
    user = Member.objects.select_related("user").get(pk=free.ada.member_id).user

    def listed() -> list[str]:
        found = inbox(user, free.workspace.pk).threads
        return [line.text for thread in found for line in (thread.newest, *thread.earlier)]

    news = ["Rosa promoted support/triage v2 to Staging", "Grace approved support/triage v1 to Staging"]
    assert listed() == news
    own = {"Approvals went stale on support/triage v1 to Staging", "Closed: support/triage v1 to Staging: not now"}
    assert own < set(kept)
    for line in Notification.objects.filter(user=user, text__in=news):
        mark_page(user, free.workspace.pk, pk=line.pk, is_read=False)
    assert listed() == news


def test_vote__tells_the_author(free: Cast) -> None:
    row = asked(free)
    forget(free)
    for choice in (Vote.REQUEST_CHANGES, Vote.APPROVE, Vote.WITHDRAWN):
        approve(free.grace, row, choice)
    assert told(free.ada) == [
        f"Grace {did} support/triage v1 to Staging"
        for did in ("asked for changes to", "approved", "took back a vote on")
    ]
    assert told(free.grace) == []


def test_gate_finished__tells_the_author_once_per_check(free: Cast) -> None:
    row = asked(free)
    suite(free.ada, row.prompt)
    forget(free)
    post(row.version, row.environment, CheckState.PENDING)
    post(row.version, row.environment, CheckState.FAILED)
    assert told(free.ada) == ["suite/intents failed for support/triage v1 to Staging"]


def _acknowledge(cast: Cast, row: Promotion) -> None:
    acknowledge_breaking(cast.ada, row, stamp=None)


def _schedule(cast: Cast, row: Promotion) -> None:
    schedule(cast.rosa, row, stamp=None, at=in_minutes(9))


def _rebase(cast: Cast, row: Promotion) -> None:
    rebase(cast.ada, row, stamp=None)


def _reopen(cast: Cast, row: Promotion) -> None:
    reopen(cast.ada, row, stamp=None)


@pytest.mark.parametrize("change", [_acknowledge, _schedule, _rebase, _reopen])
def test_stale__approvals__tell_the_author_and_those_approvers_once(free: Cast, change: Any) -> None:
    row = asked(free)
    approve(free.grace, row)
    go_live(free, version(free.ada, row.prompt, "b"), "staging")
    forget(free)
    change(free, row)
    line = ["Approvals went stale on support/triage v1 to Staging"]
    assert told(free.ada) == line
    assert told(free.grace) == line
    assert told(free.olga) == []
    policy(free, "staging", approvals=3)
    set_again = fresh(row)
    if set_again.state == "open":
        set_ready(free.rosa, set_again, stamp=None)
    assert told(free.grace) == line, "what is stale already is no news"


def test_comment__tells_those_involved_but_not_the_writer(free: Cast) -> None:
    row = asked(free)
    approve(free.grace, row)
    forget(free)
    comment(free.grace, row, body="nice")
    assert told(free.ada) == ["Grace commented on support/triage v1 to Staging"]
    assert told(free.grace) == []


def test_applied__tells_author_and_approvers(free: Cast) -> None:
    row = asked(free)
    approve(free.grace, row)
    forget(free)
    apply_promotion(free.rosa, row, stamp=None)
    for actor in (free.ada, free.grace):
        assert told(actor) == ["Rosa promoted support/triage v1 to Staging"]
    assert told(free.olga) == []


def test_overridden__tells_the_eligible_at_once_and_the_author_of_the_apply(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    otto = join(free.olga, "Otto", Role.RELEASER, grants=("override",))
    made = prompt(free.grace, text="1")
    row = open_promotion(free.ada, version(free.ada, made, "2"), free.environment("staging"))
    forget(free)
    override_promotion(otto, row, stamp=None, reason="it cannot wait for Monday")
    line = ["Blockers were overridden: support/triage v2 to Staging. Please review it."]
    assert told(free.rosa) == line
    assert told(free.olga) == line
    assert told(free.grace) == [], "she wrote part of it: also after it went live she is not the one to review it"
    assert told(otto) == []
    assert told(free.ada) == ["Otto promoted support/triage v2 to Staging over what stood in the way"]


def test_rolled_back_and_withdrawn__tell_those_of_what_was_live(free: Cast) -> None:
    """Ada's first version comes back by a rollback; when that is rolled back too, it is Ada who is told, not Tom."""
    tom = join(free.olga, "Tom", Role.EDITOR)
    made = prompt(free.ada, text="a")
    staging = free.environment("staging")
    for author, one in ((free.ada, made.versions.get()), (tom, version(free.ada, made, "b"))):
        apply_promotion(free.rosa, open_promotion(author, one, staging), stamp=None)
    forget(free)
    roll_back(free.rosa, made, staging, reason="worse")
    assert told(tom) == ["Rosa rolled back support/triage in Staging: worse"]
    assert told(free.ada) == []
    withdraw(free.rosa, made, staging, reason="both bad")
    assert told(free.ada) == ["Rosa took support/triage out of Staging: both bad"]
    assert len(told(tom)) == 1


def test_suspended__tells_with_what_is_in_the_way(free: Cast) -> None:
    row = schedule(free.rosa, asked(free), stamp=None, at=in_minutes(60))
    policy(free, "staging", approvals=1)
    let_pass(row, timedelta(minutes=61), "scheduled_for")
    forget(free)
    apply_due(row.pk)
    line = ["Suspended: support/triage v1 to Staging: 0 of 1 approvals."]
    assert told(free.ada) == line
    assert told(free.rosa) == line, "whoever scheduled it hears too"


def _apply(cast: Cast, row: Promotion) -> None:
    apply_promotion(cast.rosa, row, stamp=None)


def _close(cast: Cast, row: Promotion) -> None:
    close(cast.ada, row, stamp=None, reason="not now")


def _expire(cast: Cast, row: Promotion) -> None:
    let_pass(row, timedelta(days=15), "last_activity_at")
    assert expire_promotions() == 1


def _supersede(cast: Cast, row: Promotion) -> None:
    """By another promotion of the same content, whose author is the same person."""
    version(cast.ada, row.prompt, "b")
    twin = open_promotion(cast.ada, version(cast.ada, row.prompt, "a"), row.environment)
    apply_promotion(cast.rosa, twin, stamp=None)


def _override(cast: Cast, row: Promotion) -> None:
    policy(cast, "staging", approvals=9)
    otto = join(cast.olga, "Otto", Role.RELEASER, grants=("override",))
    override_promotion(otto, row, stamp=None, reason="it cannot wait for Monday")


@pytest.mark.parametrize(
    ("end", "word"),
    [
        (_apply, "promoted"),
        (_override, "promoted"),
        (_close, "Closed"),
        (_expire, "Expired"),
        (_supersede, "Superseded"),
    ],
)
def test_end__in_every_way__tells_the_author_exactly_once(free: Cast, end: Any, word: str) -> None:
    row = asked(free)
    forget(free)
    end(free, row)
    assert fresh(row).ended_at is not None
    about = [line for line in told(free.ada) if "v1" in line]
    assert len(about) == 1
    assert word in about[0]
    did_it_themselves = word == "Closed"
    assert Notification.objects.filter(text=about[0], read_at=None).exists() is not did_it_themselves


def test_inactive__people__are_not_told(free: Cast) -> None:
    row = asked(free)
    approve(free.grace, row)
    forget(free)
    Member.objects.filter(pk=free.grace.member_id).update(is_active=False)
    apply_promotion(free.rosa, row, stamp=None)
    assert told(free.grace) == []


def test_followers__hear_of_promotions_and_rollbacks_but_not_of_their_own(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    for actor in (free.vera, free.rosa):
        follow(actor, made)
    forget(free)
    row = open_promotion(free.ada, made.versions.get(), free.environment("staging"))
    deliver()
    apply_promotion(free.rosa, row, stamp=None)
    withdraw(free.rosa, made, free.environment("staging"), reason="worse")

    assert told(free.vera) == [
        "Ada opened a promotion of support/triage v1 to Staging",
        "Rosa promoted support/triage v1 to Staging",
        "Rosa took support/triage out of Staging: worse",
    ]
    assert told(free.rosa) == ["Ada opened a promotion of support/triage v1 to Staging"]
    forget(free)
    again = open_promotion(free.ada, version(free.ada, made, "b"), free.environment("staging"))
    close(free.ada, again, stamp=None, reason="not now")
    assert "Closed: support/triage v2 to Staging: not now" in told(free.vera)
    unfollow(free.vera, made)
    forget(free)
    open_promotion(free.ada, version(free.ada, made, "c"), free.environment("staging"))
    assert told(free.vera) == []


def test_new_version__live_at_once__is_a_line_that_its_author_has_read_and_no_news_to_followers(cast: Cast) -> None:
    made = prompt(cast.ada, text="a")
    follow(cast.vera, made)
    choose_news(cast.ada, Member.objects.get(pk=cast.ada.member_id), {"deployment.created": "mail"})
    version(cast.ada, made, "b")

    assert told(cast.ada) == [f"Ada promoted support/triage v{number} to Development" for number in (1, 2)]
    assert not Notification.objects.filter(read_at=None).exists() and not Mail.objects.exists()
    assert told(cast.vera) == []


def test_checks__all_passed__are_told_once_and_single_ones_that_passed_are_not(free: Cast) -> None:
    policy(free, "staging", require_suites=True)
    row = asked(free)
    suite(free.ada, row.prompt)
    forget(free)
    post(row.version, row.environment, CheckState.PASSED)

    assert told(free.ada) == ["All checks passed for support/triage v1 to Staging"]


def test_checks__of_a_stricter_policy_when_it_was_opened__are_waited_for(free: Cast) -> None:
    policy(free, "staging", require_suites=True, external_checks=["lint"])
    row = asked(free)
    policy(free, "staging", external_checks=[])
    suite(free.ada, row.prompt)
    forget(free)
    post(row.version, row.environment, CheckState.PASSED)

    assert told(free.ada) == []
