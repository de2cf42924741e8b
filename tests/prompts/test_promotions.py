from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from prompts_app.actions import applying, promotions, reviews
from prompts_app.actions.prompts import change_prompt
from prompts_app.facts import live_deployment, subject_of
from prompts_app.models import PENDING, Promotion, PromotionState, Prompt, Vote, actions_in
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from registry.core.models import Member
from tests.builders import Cast, join, prompt, version
from tests.scenes import approve, as_superuser, codes, fresh, go_live, in_minutes, let_pass, policy, valid

STATES = {str(state): state for state in PromotionState}


def opened(free: Cast, text: str = "a", environment: str = "staging", **kwargs: Any) -> Promotion:
    made = prompt(free.ada, f"p/{Prompt.objects.count()}", text=text)
    return promotions.open_promotion(free.ada, made.versions.get(), free.environment(environment), **kwargs)


def scheduled(free: Cast) -> Promotion:
    return promotions.schedule(free.rosa, opened(free), stamp=None, at=in_minutes(60))


def suspended(free: Cast) -> Promotion:
    """Due, and blocked by a policy that was tightened meanwhile."""
    row = scheduled(free)
    policy(free, "staging", external_checks=["lint"])
    let_pass(row, timedelta(minutes=61), "scheduled_for")
    assert applying.apply_due(row.pk) is None
    policy(free, "staging", external_checks=[])
    return fresh(row)


def applied(free: Cast) -> Promotion:
    row = opened(free)
    applying.apply_promotion(free.rosa, row, stamp=None)
    return fresh(row)


def closed(free: Cast) -> Promotion:
    return promotions.close(free.ada, opened(free), stamp=None)


def expired(free: Cast) -> Promotion:
    row = opened(free)
    let_pass(row, timedelta(days=14, minutes=1), "last_activity_at")
    assert promotions.expire_promotions() == 1
    return fresh(row)


def superseded(free: Cast) -> Promotion:
    row = opened(free)
    version(free.ada, row.prompt, "b")
    go_live(free, version(free.ada, row.prompt, "a"), "staging")
    return fresh(row)


IN_STATE: dict[str, Callable[[Cast], Promotion]] = {
    "open": opened,
    "scheduled": scheduled,
    "suspended": suspended,
    "applied": applied,
    "closed": closed,
    "expired": expired,
    "superseded": superseded,
}


def _vote(choice: Vote) -> Callable[[Cast, Promotion], Any]:
    return lambda cast, row: reviews.vote(
        cast.grace, row, choice, stamp=row.stamp, subject_hash=subject_of(fresh(row)).hash
    )


CALLS: dict[str, Callable[[Cast, Promotion], Any]] = {
    "apply": lambda cast, row: applying.apply_promotion(cast.rosa, row, stamp=row.stamp),
    "override": lambda cast, row: applying.override_promotion(
        join_override(cast), row, stamp=row.stamp, reason="a reason of twenty characters"
    ),
    "schedule": lambda cast, row: promotions.schedule(cast.rosa, row, stamp=row.stamp, at=in_minutes(90)),
    "unschedule": lambda cast, row: promotions.unschedule(cast.ada, row, stamp=row.stamp),
    "resume": lambda cast, row: promotions.resume(cast.ada, row, stamp=row.stamp),
    "rebase": lambda cast, row: promotions.rebase(cast.ada, row, stamp=row.stamp),
    "reopen": lambda cast, row: promotions.reopen(cast.ada, row, stamp=row.stamp),
    "acknowledge-breaking": lambda cast, row: promotions.acknowledge_breaking(cast.ada, row, stamp=row.stamp),
    "ready": lambda cast, row: promotions.set_ready(cast.rosa, row, stamp=row.stamp),
    "close": lambda cast, row: promotions.close(cast.ada, row, stamp=row.stamp),
    "approve": _vote(Vote.APPROVE),
    "request-changes": _vote(Vote.REQUEST_CHANGES),
    "withdraw-vote": _vote(Vote.WITHDRAWN),
}

# PROMOTION.md, "States of a promotion": what a call leads to from each state it is possible in.
LEADS_TO: dict[tuple[str, str], str] = {
    ("open", "apply"): "applied",
    ("open", "override"): "applied",
    ("open", "schedule"): "scheduled",
    ("open", "ready"): "open",
    ("scheduled", "unschedule"): "open",
    ("suspended", "resume"): "open",
    **{(state, "close"): "closed" for state in PENDING},
    **{(state, call): state for state in PENDING for call in ("rebase", "reopen", "acknowledge-breaking")},
    **{(state, call): state for state in PENDING for call in ("approve", "request-changes", "withdraw-vote")},
}


def join_override(cast: Cast) -> Actor:
    """Otto, a releaser with the grant to override."""
    known = Member.objects.filter(workspace=cast.workspace, user__name="Otto").select_related("user").first()
    from tests.builders import person

    return person(known) if known else join(cast.olga, "Otto", Role.RELEASER, grants=("override",))


@pytest.mark.parametrize("state", IN_STATE)
def test_transition__from_each_state__leads_where_the_table_says_or_is_refused(free: Cast, state: str) -> None:
    row = IN_STATE[state](free)
    assert row.state == state
    if row.is_pending:
        approve(free.grace, row)  # so that there is a vote to withdraw
    row = fresh(row)
    assert {call for _, call in LEADS_TO if (state, call) in LEADS_TO} == set(actions_in(state))
    for name, call in CALLS.items():
        before = fresh(row)
        with transaction.atomic():
            after, refused = None, None
            try:
                call(free, before)
                after = fresh(row).state
            except Conflict as conflict:
                refused = conflict
            assert after == LEADS_TO.get((state, name)), f"{name} from {state}: {refused}"
            transaction.set_rollback(True)
        if refused is not None:
            allowed = {"state": state, "allowed": list(actions_in(state))}
            assert (refused.code, refused.extra) == ("promotion.state", allowed)
        assert fresh(row).stamp == before.stamp


@pytest.mark.parametrize("name", CALLS)
def test_change__on_a_stale_view__is_refused_and_changes_nothing(free: Cast, name: str) -> None:
    row = opened(free)
    stale = fresh(row)
    approve(free.grace, row)
    with pytest.raises(PreconditionFailed):
        CALLS[name](free, stale)
    assert fresh(row).stamp == stale.stamp + 1


def test_open__base__is_what_is_live_or_nothing(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    first = made.versions.get()
    staging = free.environment("staging")
    assert promotions.open_promotion(free.ada, first, free.environment("production")).base is None
    live = go_live(free, first, "staging")
    assert promotions.open_promotion(free.ada, version(free.ada, made, "b"), staging).base == live


def test_open__the_same_version_twice__conflicts_naming_the_first(free: Cast) -> None:
    row = opened(free)
    with pytest.raises(Conflict) as refused:
        promotions.open_promotion(free.grace, row.version, row.environment)
    assert (refused.value.code, refused.value.extra["promotion"]) == ("promotion.exists", row.pk)
    other = promotions.open_promotion(free.grace, version(free.ada, row.prompt, "b"), row.environment)
    assert other.pk != row.pk, "another version may be asked for beside it"
    promotions.close(free.ada, row, stamp=None)
    assert promotions.open_promotion(free.grace, row.version, row.environment).pk != row.pk


def test_open__what_is_live__conflicts_also_under_another_number(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.get(), "staging")
    version(free.ada, made, "b")
    with pytest.raises(Conflict, match=r"version\.live"):
        promotions.open_promotion(free.ada, version(free.ada, made, "a"), free.environment("staging"))


def test_open__of_an_archived_prompt__is_refused(free: Cast) -> None:
    made = prompt(free.ada)
    first = made.versions.select_related("prompt").get()
    change_prompt(free.ada, made, archived=True)
    with pytest.raises(Conflict, match=r"prompt\.archived"):
        promotions.open_promotion(free.ada, first, free.environment("staging"))


def test_open__by_whom__follows_the_roles(free: Cast) -> None:
    first = prompt(free.ada).versions.get()
    staging = free.environment("staging")
    for actor in (free.vera, free.key("service", environment="staging").actor, free.key(scopes=["read"]).actor):
        with pytest.raises(Forbidden):
            promotions.open_promotion(actor, first, staging)
    row = promotions.open_promotion(free.key(name="pipeline").actor, first, staging)
    assert (row.author_id, row.author_name, row.key_name) == (free.olga.member_id, "Olga", "pipeline")


def test_open__scheduled_at_once__takes_the_right_to_schedule_and_a_time_to_come(free: Cast) -> None:
    made = prompt(free.ada)
    first, staging = made.versions.get(), free.environment("staging")
    with pytest.raises(Forbidden):
        promotions.open_promotion(free.ada, first, staging, scheduled_for=in_minutes(5))
    for minutes in (-1, 60 * 24 * 366):
        with pytest.raises(Invalid):
            promotions.open_promotion(free.rosa, first, staging, scheduled_for=in_minutes(minutes))
    row = promotions.open_promotion(free.rosa, first, staging, scheduled_for=in_minutes(5))
    assert (row.state, row.scheduled_by_id) == (PromotionState.SCHEDULED, free.rosa.member_id)


def test_open__a_title_that_cannot_be_stored__is_invalid(free: Cast) -> None:
    for title in ("x" * 201, "a\0b"):
        with pytest.raises(Invalid):
            opened(free, title=title)


def test_schedule__by_whom__is_whoever_may_apply(free: Cast) -> None:
    row = opened(free)
    for actor in (free.ada, free.grace, free.vera, free.key(name="plain").actor):
        with pytest.raises(Forbidden):
            promotions.schedule(actor, row, stamp=None, at=in_minutes(5))
    promoter = free.key(scopes=["write", "promote"], name="promoter").actor
    assert promotions.schedule(promoter, row, stamp=None, at=in_minutes(5)).scheduled_by_key_id == promoter.id
    policy(free, "production", protected=True)
    with pytest.raises(Forbidden, match=r"actor\.key"):
        promotions.schedule(promoter, opened(free, environment="production"), stamp=None, at=in_minutes(5))


def test_schedule__refusals__come_in_the_order_of_the_api(free: Cast) -> None:
    row = closed(free)
    past = in_minutes(-5)
    with pytest.raises(Forbidden):
        promotions.schedule(free.ada, row, stamp=99, at=past)
    with pytest.raises(PreconditionFailed):
        promotions.schedule(free.rosa, row, stamp=99, at=past)
    with pytest.raises(Invalid):
        promotions.schedule(free.rosa, row, stamp=row.stamp, at=past)
    with pytest.raises(Conflict):
        promotions.schedule(free.rosa, row, stamp=row.stamp, at=in_minutes(5))


def test_schedule__approvals__go_stale_and_are_valid_again_without_it(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    row = opened(free)
    approve(free.grace, row)
    promotions.schedule(free.rosa, row, stamp=None, at=in_minutes(5))
    assert valid(row, free.rosa) == set()
    approve(join(free.olga, "Gwen", Role.REVIEWER), row)
    assert valid(row, free.rosa) == {"Gwen"}, "votes are taken while it is scheduled"
    promotions.unschedule(free.ada, row, stamp=None)
    assert valid(row, free.rosa) == {"Grace"}
    assert fresh(row).scheduled_for is None


def test_resume__after_a_suspension__clears_the_time_and_keeps_the_base(free: Cast) -> None:
    row = suspended(free)
    resumed = promotions.resume(free.ada, row, stamp=row.stamp)
    assert (resumed.state, resumed.scheduled_for, resumed.scheduled_by_id, resumed.base_id) == (
        PromotionState.OPEN,
        None,
        None,
        row.base_id,
    )


def test_rebase__onto_what_is_live__clears_base_moved_and_makes_approvals_stale(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    row = opened(free)
    approve(free.grace, row)
    assert codes(row, free.rosa) == set()
    policy(free, "staging", approvals=0)
    live = go_live(free, version(free.rosa, row.prompt, "b"), "staging")
    assert codes(row, free.rosa) == {"base.moved"}
    rebased = promotions.rebase(free.ada, row, stamp=None)
    assert (rebased.base, rebased.state) == (live, PromotionState.OPEN)
    assert valid(row, free.rosa) == set()
    assert "approvals.insufficient" in codes(row, free.rosa)


def test_rebase__where_nothing_moved__changes_nothing(free: Cast) -> None:
    row = opened(free)
    approve(free.grace, row)
    before = fresh(row)
    promotions.rebase(free.ada, row, stamp=before.stamp)
    assert fresh(row).stamp == before.stamp
    assert valid(row, free.rosa) == {"Grace"}


@pytest.mark.parametrize("make", [scheduled, suspended])
def test_rebase__scheduled_or_suspended__keeps_the_state(free: Cast, make: Callable[[Cast], Promotion]) -> None:
    row = make(free)
    applying.apply_promotion(
        free.rosa, promotions.open_promotion(free.ada, version(free.ada, row.prompt, "b"), row.environment), stamp=None
    )
    promotions.rebase(free.ada, row, stamp=None)
    assert fresh(row).state == row.state
    assert fresh(row).base == live_deployment(row.prompt, row.environment)


def test_reopen__after_a_loosened_policy__is_judged_by_it_and_drops_votes(free: Cast) -> None:
    policy(free, "staging", approvals=2)
    row = opened(free)
    approve(free.grace, row)
    policy(free, "staging", approvals=1)
    assert "approvals.insufficient" in codes(row, free.rosa), "the stricter of then and now"
    promotions.reopen(free.ada, row, stamp=None)
    assert valid(row, free.rosa) == set()
    approve(free.grace, row)
    assert codes(row, free.rosa) == set()


def test_close__with_its_reason__is_kept(free: Cast) -> None:
    row = promotions.close(free.grace, opened(free), stamp=None, reason="not now")
    assert (row.note, row.ended_at is not None) == ("not now", True)
    with pytest.raises(Forbidden):
        promotions.close(free.vera, opened(free), stamp=None)


def test_acknowledge__by_another_than_the_author__is_forbidden(free: Cast) -> None:
    row = opened(free)
    for actor in (free.grace, free.olga, free.vera):
        with pytest.raises(Forbidden):
            promotions.acknowledge_breaking(actor, row, stamp=None)
    promotions.acknowledge_breaking(free.ada, row, stamp=None)
    assert fresh(row).acknowledges_breaking


def test_expiry__counts_from_the_last_sign_of_life(free: Cast) -> None:
    rows = [opened(free) for _ in range(3)]
    for row in rows:
        let_pass(row, timedelta(days=13, hours=23), "last_activity_at")
    assert promotions.expire_promotions() == 0
    for row in rows:
        let_pass(row, timedelta(hours=2), "last_activity_at")
    approve(free.grace, rows[0])
    reviews.comment(free.ada, rows[1], body="still wanted")
    assert promotions.expire_promotions() == 1
    assert [fresh(row).state for row in rows] == ["open", "open", "expired"]
    assert promotions.expire_promotions() == 0


def test_archive__with_pending_promotions__closes_them(free: Cast) -> None:
    row = opened(free)
    change_prompt(free.ada, row.prompt, archived=True)
    assert (fresh(row).state, fresh(row).note) == ("closed", "the prompt was archived")


def test_supersede__the_same_digest_goes_live_otherwise__ends_the_others(free: Cast) -> None:
    row = superseded(free)
    assert (row.state, row.ended_at is not None) == ("superseded", True)
    assert row.deployment_id is None


def test_find__from_another_workspace__is_not_found(free: Cast) -> None:
    row = opened(free)
    with pytest.raises(NotFound):
        promotions.find_promotion(free.linus.workspace_id, row.pk)


def test_one_pending_promotion_per_version__also_past_the_action__is_a_rule_of_the_database(free: Cast) -> None:
    from django.db import IntegrityError

    row = closed(free)
    twin = promotions.open_promotion(free.ada, row.version, row.environment)
    with pytest.raises(IntegrityError), as_superuser() as cursor:
        cursor.execute("UPDATE prompts_app_promotion SET state = 'open' WHERE id = %s", [row.pk])
    assert twin.pk != row.pk
