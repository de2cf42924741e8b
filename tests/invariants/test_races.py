"""Two connections or more released from a barrier, several rounds each: invariants 3, 5, 6, 7, 17, 22, 23 and 24."""

import itertools
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from prompts_app.actions.applying import apply_due, apply_if_ready, apply_promotion
from prompts_app.actions.environments import (
    archive_environment,
    change_environment,
    create_environment,
    end_freeze,
    freeze_environment,
)
from prompts_app.actions.promotions import (
    acknowledge_breaking,
    close,
    open_promotion,
    rebase,
    reopen,
    schedule,
    set_ready,
)
from prompts_app.actions.prompts import change_prompt
from prompts_app.actions.reviews import vote
from prompts_app.actions.rollback import roll_back
from prompts_app.actions.versions import create_version, yank_version
from prompts_app.facts import live_deployment, subject_of
from prompts_app.models import Approval, Deployment, Freeze, Promotion, PromotionState, Prompt, PromptVersion, Vote
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, Role
from registry.core.models import AuditEvent, Member, OutboxMessage
from tests.builders import Cast, join, make_cast, prompt, version
from tests.invariants.checker import violations
from tests.invariants.racing import codes, one_after_the_other, race
from tests.scenes import approve, fresh, go_live, in_minutes, let_pass, policy, valid

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = int(os.environ.get("ROUNDS", "4"))
NAMES = itertools.count()


@pytest.fixture
def free(transactional_db: None) -> Any:
    """An open workspace; after the race everything in it is looked at."""
    cast = make_cast(is_open=True)
    yield cast
    assert violations(cast.workspace.pk) == []


def asked(cast: Cast, text: str = "a", environment: str = "staging", of: Prompt | None = None) -> Promotion:
    made = of or prompt(cast.ada, f"p{next(NAMES)}", text=None)
    return open_promotion(cast.ada, version(cast.ada, made, text), cast.environment(environment))


def member(actor: Actor) -> Member:
    return Member.objects.select_related("user").get(pk=actor.member_id)


# 6: one place, two applies


def test_applies__of_two_promotions_to_one_place__one_wins_and_the_other_has_a_moved_base(free: Cast) -> None:
    for _ in range(ROUNDS):
        first = asked(free)
        second = asked(free, "b", of=first.prompt)
        outcomes = race(*(lambda row=row: apply_promotion(free.rosa, row, stamp=None) for row in (first, second)))
        assert codes(outcomes) == ["", "promotion.blocked"]
        [refusal] = [outcome.refusal for outcome in outcomes if outcome.refusal]
        assert [blocker["code"] for blocker in refusal.extra["blockers"]] == ["base.moved"]
        assert Deployment.objects.filter(prompt=first.prompt).count() == 1


@pytest.mark.injects("F10 promotion applied by several at once", schedules=ROUNDS)
def test_apply__of_one_promotion_by_many__is_one_deployment(free: Cast) -> None:
    for _ in range(ROUNDS):
        row = asked(free)
        stamp = fresh(row).stamp
        outcomes = race(*[lambda: apply_promotion(free.rosa, row, stamp=stamp)] * 4)
        assert codes(outcomes) in (["", *["precondition.failed"] * 3], ["", *["promotion.state"] * 3])
        assert Deployment.objects.filter(prompt=row.prompt).count() == 1


def test_apply_and_roll_back__at_once__are_one_after_the_other(free: Cast) -> None:
    for _ in range(ROUNDS):
        made, place = prompt(free.ada, f"p{next(NAMES)}", text="a"), free.environment("staging")
        go_live(free, made.versions.get(), "staging")
        go_live(free, version(free.ada, made, "b"), "staging")
        third = asked(free, "c", of=made)
        applied, went_back = race(
            lambda: apply_promotion(free.rosa, third, stamp=None),
            lambda: roll_back(free.olga, made, place, reason="bad"),
        )
        assert went_back.won
        assert applied.code in {"", "promotion.blocked"}
        assert live_deployment(made, place) == went_back.value.deployment


# 5: facts that change while a promotion is applied


def _demote(cast: Cast, row: Promotion) -> None:
    change_member(cast.olga, member(cast.grace), role=Role.EDITOR)


def _deactivate(cast: Cast, row: Promotion) -> None:
    change_member(cast.olga, member(cast.grace), is_active=False)


def _tighten(cast: Cast, row: Promotion) -> None:
    change_environment(cast.olga, row.environment, policy={"approvals": 2})


def _freeze(cast: Cast, row: Promotion) -> None:
    freeze_environment(cast.olga, row.environment, starts_at=in_minutes(-1), ends_at=in_minutes(9), reason="sale")


def _yank(cast: Cast, row: Promotion) -> None:
    yank_version(cast.ada, row.version, reason="leaks")


def _withdraw_vote(cast: Cast, row: Promotion) -> None:
    vote(cast.grace, row, Vote.WITHDRAWN, stamp=None, subject_hash="")


def _request_changes(cast: Cast, row: Promotion) -> None:
    vote(cast.grace, row, Vote.REQUEST_CHANGES, stamp=None, subject_hash=subject_of(row).hash)


def _acknowledge(cast: Cast, row: Promotion) -> None:
    acknowledge_breaking(cast.ada, row, stamp=None)


def _close(cast: Cast, row: Promotion) -> None:
    close(cast.ada, row, stamp=None)


@pytest.mark.injects("F12 a fact changes while it is applied", schedules=ROUNDS)
@pytest.mark.parametrize(
    "change",
    [_demote, _deactivate, _tighten, _freeze, _yank, _withdraw_vote, _request_changes, _acknowledge, _close],
    ids=lambda change: change.__name__.strip("_"),
)
def test_apply__while_a_fact_changes__came_before_the_change_or_did_not_come(
    free: Cast, change: Callable[[Cast, Promotion], None]
) -> None:
    """The audit chain says which was first; if the change was, nothing may have gone live after it."""
    policy(free, "staging", approvals=1)
    for _ in range(ROUNDS):
        change_member(free.olga, member(free.grace), role=Role.REVIEWER, is_active=True)
        row = asked(free)
        approve(free.grace, row)
        since = AuditEvent.objects.filter(workspace=free.workspace).count()
        applied, changed = race(
            lambda: apply_promotion(free.rosa, row, stamp=None), lambda: change(free, row), jitter_ms=8
        )
        events = list(AuditEvent.objects.filter(workspace=free.workspace, sequence__gt=since).order_by("sequence"))
        names = [event.event for event in events]
        assert applied.won == ("version.promoted" in names)
        if applied.won and changed.won:
            assert names[0] == "version.promoted", f"{names}: it went live on a fact that was no more"
        change_environment(free.olga, row.environment, policy={"approvals": 1})
        for freeze in Freeze.objects.filter(cancelled_at=None):
            end_freeze(free.olga, freeze)


# 7: the last two approvals


def test_final_approvals__two_at_once_when_ready__one_apply(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    gwen = join(free.olga, "Gwen", Role.REVIEWER)

    def approve_and_look(actor: Actor, row: Promotion) -> object:
        vote(actor, row, Vote.APPROVE, stamp=None, subject_hash=subject_of(row).hash)
        return apply_if_ready(row.pk)

    for _ in range(ROUNDS):
        row = asked(free)
        set_ready(free.rosa, row, stamp=None)
        outcomes = race(lambda: approve_and_look(free.grace, row), lambda: approve_and_look(gwen, row))
        moved = [outcome.value for outcome in outcomes if outcome.won and outcome.value]
        assert len(moved) == 1
        assert fresh(row).deployment == moved[0].deployment


# 17: two clocks


def test_clock__two_workers_fire__applies_once(free: Cast) -> None:
    for _ in range(ROUNDS):
        row = schedule(free.rosa, asked(free), stamp=None, at=in_minutes(5))
        let_pass(row, timedelta(minutes=6), "scheduled_for")
        outcomes = race(*[lambda pk=row.pk: apply_due(pk)] * 3)
        assert sum(outcome.value is not None for outcome in outcomes) == 1
        assert Deployment.objects.filter(prompt=row.prompt).count() == 1


def test_clock__blocked_and_two_workers_fire__is_suspended_and_told_once(free: Cast) -> None:
    row = schedule(free.rosa, asked(free), stamp=None, at=in_minutes(5))
    let_pass(row, timedelta(minutes=6), "scheduled_for")
    policy(free, "staging", approvals=1)
    race(*[lambda: apply_due(row.pk)] * 3)
    assert fresh(row).state == PromotionState.SUSPENDED
    assert OutboxMessage.objects.filter(topic="promotion.suspended").count() == 1


# F11: edits against approvals


@pytest.mark.injects("F11 edited while it is approved", schedules=ROUNDS)
def test_approval__while_its_subject_changes__is_of_what_was_there(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    for _ in range(ROUNDS):
        row = asked(free)
        seen = subject_of(row).hash
        voted, _ = race(
            lambda: vote(free.grace, row, Vote.APPROVE, stamp=None, subject_hash=seen),
            lambda: acknowledge_breaking(free.ada, row, stamp=None),
        )
        assert voted.code in {"", "approval.changed"}
        assert valid(row, free.rosa) == set(), "either it was refused, or it went stale"
        acknowledge_breaking(free.ada, row, stamp=None, acknowledged=False)
        assert valid(row, free.rosa) == ({"Grace"} if voted.won else set())


@pytest.mark.injects("F10 approval sent twice", schedules=ROUNDS)
def test_approve__double_submit_on_one_view__is_one_vote(free: Cast) -> None:
    for _ in range(ROUNDS):
        row = fresh(asked(free))
        outcomes = race(
            *[lambda: vote(free.grace, row, Vote.APPROVE, stamp=row.stamp, subject_hash=subject_of(row).hash)] * 3
        )
        assert codes(outcomes) == ["", "precondition.failed", "precondition.failed"]
        assert Approval.objects.filter(promotion=row).count() == 1


def test_rebase__while_another_is_applied__ends_on_what_is_live(free: Cast) -> None:
    for _ in range(ROUNDS):
        row = asked(free)
        other = asked(free, "b", of=row.prompt)
        race(lambda: rebase(free.ada, row, stamp=None), lambda: apply_promotion(free.rosa, other, stamp=None))
        live = live_deployment(row.prompt, row.environment)
        assert fresh(row).base in (None, live)


def test_change__waiting_for_a_reopen_under_another_policy__finds_the_promotion_again(free: Cast) -> None:
    """What a locked row is joined to may be another one when the lock comes."""
    row = asked(free)
    policy(free, "staging", approvals=1)
    reopened, closed = one_after_the_other(
        lambda: reopen(free.ada, row, stamp=None), lambda: close(free.ada, row, stamp=None)
    )
    assert (reopened.won, closed.won) == (True, True)


# 23 and 1: what must not be live


def test_archive__while_it_goes_live_where_protected__one_of_them_is_refused(free: Cast) -> None:
    policy(free, "production", protected=True)
    for _ in range(ROUNDS):
        row = asked(free, environment="production")
        applied, archived = race(
            lambda: apply_promotion(free.rosa, row, stamp=None),
            lambda: change_prompt(free.ada, row.prompt, archived=True),
        )
        assert applied.won != archived.won
        assert (applied.code or archived.code) in {"promotion.state", "prompt.live"}


def test_archive__while_a_promotion_is_opened__leaves_none_pending(free: Cast) -> None:
    for _ in range(ROUNDS):
        made = prompt(free.ada, f"p{next(NAMES)}")
        first = made.versions.select_related("prompt").get()
        race(
            lambda: open_promotion(free.ada, first, free.environment("staging")),
            lambda: change_prompt(free.ada, made, archived=True),
        )
        assert not Promotion.objects.filter(prompt=made).pending().exists()


def test_yank__while_it_goes_live__is_never_yanked_and_live(free: Cast) -> None:
    for _ in range(ROUNDS):
        row = asked(free)
        outcomes = race(
            lambda: apply_promotion(free.rosa, row, stamp=None), lambda: yank_version(free.ada, row.version, reason="x")
        )
        assert codes(outcomes) in (["", "promotion.blocked"], ["", "version.live"])


def test_archive_environment__while_something_goes_live_there__one_of_them_is_refused(free: Cast) -> None:
    for n in range(ROUNDS):
        place = create_environment(free.olga, f"e{n}")
        row = open_promotion(free.ada, prompt(free.ada, f"p{next(NAMES)}").versions.get(), place)
        closed, archived = race(
            lambda: apply_promotion(free.rosa, row, stamp=None), lambda: archive_environment(free.olga, place)
        )
        assert closed.won
        assert archived.code == "environment.in_use"


# 24: saves


def test_saves__200_at_once_without_based_on__are_1_to_n_each_with_its_own(free: Cast) -> None:
    made = prompt(free.ada, text=None)

    def save(worker: int) -> list[tuple[int, str]]:
        texts = [f"worker {worker}, text {n}" for n in range(25)]
        return [(create_version(free.ada, made, {"text": text}).version.number, text) for text in texts]

    outcomes = race(*(lambda n=n: save(n) for n in range(8)))
    saved = dict(pair for outcome in outcomes for pair in outcome.value)
    assert sorted(saved) == list(range(1, 201))
    stored = {
        row.number: row.load().source.text for row in PromptVersion.objects.filter(prompt=made).select_related("prompt")
    }
    assert stored == saved


def test_saves__at_once_on_one_base__one_wins_and_the_others_hear_of_it(free: Cast) -> None:
    made = prompt(free.ada, text="base")
    outcomes = race(*(lambda n=n: create_version(free.ada, made, {"text": f"t{n}"}, based_on=1) for n in range(6)))
    assert Counter(codes(outcomes)) == {"": 1, "version.conflict": 5}
    assert {outcome.refusal.extra["newest"] for outcome in outcomes if outcome.refusal} == {2}


def test_saves__of_the_same_text__are_one_version(free: Cast) -> None:
    made = prompt(free.ada, text="base")
    outcomes = race(*[lambda: create_version(free.ada, made, {"text": "same"})] * 5)
    assert [outcome.value.version.number for outcome in outcomes] == [2] * 5
    assert sum(outcome.value.is_new for outcome in outcomes) == 1


@pytest.mark.injects("F28 versions saved side by side, one in ten rolled back")
@pytest.mark.parametrize(("writers", "each"), [(4, 20), pytest.param(8, 100, marks=pytest.mark.faults)])
def test_saves__with_failures_among_them__leave_no_gap(free: Cast, writers: int, each: int) -> None:
    made = prompt(free.ada, text=None)

    def save(worker: int) -> None:
        for n in range(each):
            with transaction.atomic():
                create_version(free.ada, made, {"text": f"{worker}.{n}"})
                transaction.set_rollback(n % 10 == 9)

    outcomes = race(*(lambda n=n: save(n) for n in range(writers)))
    assert codes(outcomes) == [""] * writers
    kept = writers * each * 9 // 10
    assert Prompt.objects.get(pk=made.pk).last_number == kept
    assert sorted(made.versions.values_list("number", flat=True)) == list(range(1, kept + 1))


def test_auto_apply__saves_at_once__are_live_one_after_the_other(free: Cast) -> None:
    policy(free, "development", auto_apply=True)
    made = prompt(free.ada, text=None)
    race(*(lambda n=n: create_version(free.ada, made, {"text": f"t{n}"}) for n in range(6)))
    live = live_deployment(made, free.environment("development"))
    assert live is not None and live.revision == 6
    assert live.version is not None and live.version.number == 6


# 4: one environment, many prompts


def test_moves__of_many_prompts_in_one_environment__are_numbered_in_the_order_of_commit(free: Cast) -> None:
    rows = [asked(free) for _ in range(8)]
    outcomes = race(*(lambda row=row: apply_promotion(free.rosa, row, stamp=None) for row in rows))
    assert sorted(outcome.value.revision for outcome in outcomes) == list(range(1, 9))
