import json
from datetime import timedelta
from typing import Any

import pytest

from prompts_app import tasks
from prompts_app.actions import applying
from prompts_app.actions.applying import (
    apply_due,
    apply_if_ready,
    apply_promotion,
    override_promotion,
    review_override,
)
from prompts_app.actions.checks import post_external_check
from prompts_app.actions.environments import freeze_environment
from prompts_app.actions.promotions import close, open_promotion, rebase, resume, schedule, set_ready, unschedule
from prompts_app.actions.versions import yank_version
from prompts_app.facts import live_deployment
from prompts_app.models import CheckState, Deployment, Override, Promotion
from registry.core.actions.keys import revoke_key
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Forbidden, Invalid, PreconditionFailed
from registry.core.models import ApiKey, AuditEvent, Member
from tests.builders import Cast, deliver, join, prompt, version
from tests.scenes import approve, codes, fresh, go_live, in_minutes, let_pass, policy, post, suite

REASON = "the fix cannot wait for Monday"


def asked(cast: Cast, environment: str = "staging", text: str = "a") -> Promotion:
    return open_promotion(cast.ada, prompt(cast.ada, text=text).versions.get(), cast.environment(environment))


def otto(cast: Cast) -> Actor:
    """A releaser who was granted to override."""
    return join(cast.olga, "Otto", Role.RELEASER, grants=("override",))


def due(cast: Cast, row: Promotion, minutes_late: float = 1, actor: Actor | None = None) -> Promotion:
    """Scheduled, and its time has come."""
    scheduled = schedule(actor or cast.rosa, row, stamp=None, at=in_minutes(60))
    let_pass(scheduled, timedelta(minutes=60 + minutes_late), "scheduled_for")
    return fresh(scheduled)


# Applying


def test_apply__nothing_in_the_way__goes_live_with_its_evidence(free: Cast) -> None:
    policy(free, "staging", approvals=1, require_suites=True)
    row = asked(free)
    suite(free.ada, row.prompt)
    posted = post(row.version, row.environment)
    approve(free.grace, row)
    moved = apply_promotion(free.rosa, row, stamp=fresh(row).stamp)
    row = fresh(row)
    assert (row.state, row.deployment, row.ended_at is not None) == ("applied", moved.deployment, True)
    assert live_deployment(row.prompt, row.environment) == moved.deployment
    evidence = json.loads(moved.deployment.evidence)
    assert evidence["approvals"] == [{"member": free.grace.member_id, "by": "Grace"}]
    assert [(check["name"], check["state"], check["evidence_key"]) for check in evidence["checks"]] == [
        ("suite/intents", "passed", posted.evidence_key)
    ]
    assert (moved.deployment.actor_name, moved.deployment.previous, moved.revision) == ("Rosa", None, 1)


def test_apply__by_whom__follows_the_roles_before_anything_else_is_said(free: Cast) -> None:
    row = asked(free)
    yank_version(free.ada, row.version, reason="no")
    for actor in (free.vera, free.ada, free.grace, free.key(name="plain").actor):
        with pytest.raises(Forbidden):
            apply_promotion(actor, row, stamp=99)
    with pytest.raises(PreconditionFailed):
        apply_promotion(free.rosa, row, stamp=99)
    with pytest.raises(Conflict, match=r"promotion\.blocked"):
        apply_promotion(free.rosa, row, stamp=None)


def test_apply__by_a_key__takes_the_scope_and_an_unprotected_environment(free: Cast) -> None:
    promoter = free.key(scopes=["promote"], name="promoter").actor
    assert apply_promotion(promoter, asked(free), stamp=None).deployment.actor_kind == "key"
    policy(free, "production", protected=True)
    row = open_promotion(free.ada, version(free.ada, prompt(free.ada, "other"), "b"), free.environment("production"))
    with pytest.raises(Forbidden, match=r"actor\.key"):
        apply_promotion(promoter, row, stamp=None)
    policy(free, "production", protected=False)
    with pytest.raises(Forbidden, match=r"actor\.key"):
        apply_promotion(promoter, row, stamp=None)


def test_apply__twice__is_one_deployment_and_a_conflict(free: Cast) -> None:
    row = asked(free)
    apply_promotion(free.rosa, row, stamp=None)
    with pytest.raises(Conflict, match=r"promotion\.state"):
        apply_promotion(free.rosa, row, stamp=None)
    assert Deployment.objects.count() == 1


def test_apply__two_promotions_of_one_place__the_second_has_a_moved_base(free: Cast) -> None:
    first = asked(free)
    second = open_promotion(free.ada, version(free.ada, first.prompt, "b"), first.environment)
    apply_promotion(free.rosa, first, stamp=None)
    with pytest.raises(Conflict) as refused:
        apply_promotion(free.rosa, second, stamp=None)
    assert [blocker["code"] for blocker in refused.value.extra["blockers"]] == ["base.moved"]


def test_apply__an_error_while_applying__rolls_everything_back(free: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    row = asked(free)
    events = AuditEvent.objects.count()

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(applying, "end", broken)
    with pytest.raises(RuntimeError):
        apply_promotion(free.rosa, row, stamp=None)
    assert (fresh(row).state, fresh(row).stamp) == ("open", row.stamp)
    assert live_deployment(row.prompt, row.environment) is None
    assert (Deployment.objects.count(), AuditEvent.objects.count()) == (0, events)


# Override


def test_override__soft_blockers__are_kept_exactly_as_they_were(free: Cast) -> None:
    policy(free, "staging", approvals=1, external_checks=["lint"])
    row = asked(free)
    present = codes(row, free.rosa)
    moved = override_promotion(otto(free), row, stamp=None, reason=REASON)
    override = Override.objects.get()
    assert {blocker["code"] for blocker in json.loads(override.blockers)} == present
    assert (override.deployment, override.promotion.pk, override.reason) == (moved.deployment, row.pk, REASON)
    assert override.reviewed_at is None
    assert moved.deployment.reason == REASON


def test_override__nothing_to_override__is_a_normal_apply(free: Cast) -> None:
    row = asked(free)
    override_promotion(otto(free), row, stamp=None, reason=REASON)
    assert fresh(row).state == "applied"
    assert not Override.objects.exists()


@pytest.mark.parametrize("who", ["vera", "ada", "grace", "rosa", "olga", "key"])
def test_override__without_the_grant__is_forbidden_in_every_role(free: Cast, who: str) -> None:
    policy(free, "staging", approvals=1)
    row = asked(free)
    actor = free.key(scopes=["read", "write", "run", "promote", "check"]).actor if who == "key" else getattr(free, who)
    with pytest.raises(Forbidden):
        override_promotion(actor, row, stamp=None, reason=REASON)
    assert fresh(row).state == "open"


def test_override__a_grant_below_releaser__gives_nothing(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    with pytest.raises(Forbidden):
        override_promotion(
            join(free.olga, "Rudi", Role.REVIEWER, grants=("override",)), asked(free), stamp=None, reason=REASON
        )


@pytest.mark.parametrize("reason", ["", "x" * 19, " " * 40, "   " + "x" * 19 + "   ", "x" * 30 + "\0"])
def test_override__without_a_typed_reason__is_invalid_and_changes_nothing(free: Cast, reason: str) -> None:
    policy(free, "staging", approvals=1)
    row = asked(free)
    with pytest.raises(Invalid):
        override_promotion(otto(free), row, stamp=None, reason=reason)
    assert fresh(row).state == "open"
    assert not Deployment.objects.exists()


def _yank(cast: Cast, row: Promotion) -> None:
    yank_version(cast.ada, row.version, reason="leaks")


def _move(cast: Cast, row: Promotion) -> None:
    go_live(cast, version(cast.ada, row.prompt, "b"), "staging")


def _fail_safety(cast: Cast, row: Promotion) -> None:
    policy(cast, "staging", require_suites=True)
    suite(cast.ada, row.prompt, is_safety=True)
    post(row.version, row.environment, CheckState.FAILED)


@pytest.mark.parametrize("harden", [_yank, _move, _fail_safety])
def test_override__over_a_hard_blocker__is_refused_with_the_list(free: Cast, harden: Any) -> None:
    row = asked(free)
    harden(free, row)
    policy(free, "staging", approvals=1)
    before = Deployment.objects.count()
    with pytest.raises(Conflict) as refused:
        override_promotion(otto(free), row, stamp=None, reason=REASON)
    assert refused.value.extra["blockers"][0]["level"] == "hard"
    assert (Deployment.objects.count(), Override.objects.count()) == (before, 0)


def test_override__forbidden_by_the_policy_of_then_or_now__is_403(free: Cast) -> None:
    policy(free, "staging", approvals=1, allow_override=False)
    row = asked(free)
    actor = otto(free)
    with pytest.raises(Forbidden, match=r"override\.forbidden"):
        override_promotion(actor, row, stamp=99, reason="")
    policy(free, "staging", allow_override=True)
    with pytest.raises(Forbidden, match=r"override\.forbidden"):
        override_promotion(actor, row, stamp=None, reason=REASON)
    approve(free.grace, row)
    override_promotion(actor, row, stamp=None, reason=REASON)
    assert not Override.objects.exists(), "nothing stood in the way any more"


def test_override__over_a_freeze_or_quarantine__is_possible(free: Cast) -> None:
    row = asked(free)
    freeze_environment(free.olga, row.environment, starts_at=in_minutes(-1), ends_at=in_minutes(9), reason="sale")
    override_promotion(otto(free), row, stamp=None, reason=REASON)
    assert json.loads(Override.objects.get().blockers)[0]["code"] == "freeze.active"


def test_review_override__by_somebody_eligible_for_what_it_replaced__is_kept(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    made = prompt(free.ada, text="1")
    version(free.grace, made, "2")
    row = open_promotion(free.ada, version(free.ada, made, "3"), free.environment("staging"))
    boss = join(free.olga, "Otto", Role.ADMIN, grants=("override",))
    override_promotion(boss, row, stamp=None, reason=REASON)
    override = Override.objects.get()
    for actor in (boss, free.grace):
        with pytest.raises(Forbidden, match=r"override\.own"):
            review_override(actor, override)
    with pytest.raises(Forbidden, match=r"actor\."):
        review_override(free.ada, override)
    assert review_override(free.rosa, override).reviewed_by_id == free.rosa.member_id
    events = AuditEvent.objects.count()
    assert review_override(free.olga, override).reviewed_by_id == free.rosa.member_id, "the first review stands"
    assert AuditEvent.objects.count() == events


# By the clock


def test_due__nothing_in_the_way__is_applied_as_whoever_scheduled_it(free: Cast) -> None:
    row = due(free, asked(free))
    moved = apply_due(row.pk)
    assert moved is not None
    assert (moved.deployment.actor_name, fresh(row).state) == ("Rosa", "applied")
    assert apply_due(row.pk) is None
    assert Deployment.objects.count() == 1


def test_due__before_its_time__is_left_alone(free: Cast) -> None:
    row = schedule(free.rosa, asked(free), stamp=None, at=in_minutes(60))
    assert apply_due(row.pk) is None
    assert fresh(row).state == "scheduled"


def test_due__more_than_15_minutes_late__is_suspended_not_applied(free: Cast) -> None:
    row = due(free, asked(free), minutes_late=16)
    assert apply_due(row.pk) is None
    assert (fresh(row).state, "15 minutes" in fresh(row).note) == ("suspended", True)
    let_pass(row, -timedelta(minutes=16), "scheduled_for")
    assert apply_due(row.pk) is None
    assert fresh(row).state == "suspended", "never silently tried again"


def test_due__blocked__is_suspended_and_goes_on_when_resumed(free: Cast) -> None:
    row = due(free, asked(free))
    policy(free, "staging", approvals=1)
    assert apply_due(row.pk) is None
    assert (fresh(row).state, fresh(row).note) == ("suspended", "0 of 1 approvals.")
    resume(free.ada, row, stamp=None)
    approve(free.grace, row)
    row = due(free, fresh(row))
    approve(free.grace, row)
    assert apply_due(row.pk) is not None


@pytest.mark.parametrize("change", [{"role": Role.EDITOR}, {"is_active": False}])
def test_due__the_scheduler_lost_the_right__is_suspended(free: Cast, change: dict[str, Any]) -> None:
    row = due(free, asked(free))
    rosa = Member.objects.select_related("user").get(pk=free.rosa.member_id)
    change_member(free.olga, rosa, **change)
    assert apply_due(row.pk) is None
    assert fresh(row).state == "suspended"


def test_due__scheduled_by_a_key__is_applied_as_the_key_while_it_may(free: Cast) -> None:
    key = free.key(scopes=["write", "promote"], name="promoter")
    moved = apply_due(due(free, asked(free), actor=key.actor).pk)
    assert moved is not None
    assert (moved.deployment.actor_kind, moved.deployment.actor_id) == ("key", key.pk)


def test_due__scheduled_by_a_key_before_the_environment_was_protected__is_suspended(free: Cast) -> None:
    """Its responsible member is the owner, who could: a key is no way around."""
    row = due(free, asked(free), actor=free.key(scopes=["write", "promote"], name="promoter").actor)
    policy(free, "staging", protected=True)
    assert apply_due(row.pk) is None
    assert fresh(row).state == "suspended"
    assert live_deployment(row.prompt, row.environment) is None


def test_due__scheduled_by_a_key_that_was_revoked__is_suspended(free: Cast) -> None:
    key = free.key(scopes=["write", "promote"], name="promoter")
    row = due(free, asked(free), actor=key.actor)
    revoke_key(free.olga, ApiKey.objects.get(pk=key.pk))
    assert apply_due(row.pk) is None
    assert "revoked" in fresh(row).note


def test_due__unscheduled_meanwhile__is_left_alone(free: Cast) -> None:
    row = due(free, asked(free))
    unschedule(free.ada, row, stamp=None)
    assert apply_due(row.pk) is None
    assert fresh(row).state == "open"


def test_task__one_promotion_fails__the_others_have_their_turn(free: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    first = due(free, asked(free), minutes_late=2)
    second = due(
        free, open_promotion(free.ada, version(free.ada, prompt(free.ada, "o"), "b"), free.environment("staging"))
    )
    real = tasks.apply_one_due

    def sometimes(pk: int) -> object:
        if pk == first.pk:
            raise RuntimeError("a bug")
        return real(pk)

    monkeypatch.setattr(tasks, "apply_one_due", sometimes)
    tasks.apply_due()
    assert (fresh(first).state, fresh(second).state) == ("scheduled", "applied")


# When ready


def test_ready__the_last_blocker_goes__is_applied_as_whoever_set_it(free: Cast) -> None:
    policy(free, "staging", approvals=1, external_checks=["lint"])
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    deliver()
    assert fresh(row).state == "open"
    approve(free.grace, row)
    deliver()
    assert fresh(row).state == "open"
    post_external_check(free.key().actor, row.version, name="external/lint", state="passed")
    deliver()
    row = fresh(row)
    assert (row.state, row.deployment.actor_name if row.deployment else "") == ("applied", "Rosa")


def test_ready__already_ready__is_applied_at_once(free: Cast) -> None:
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    deliver()
    assert fresh(row).state == "applied"


def test_ready__by_whom__is_a_person_who_may_apply(free: Cast) -> None:
    row = asked(free)
    for actor in (free.vera, free.ada, free.grace):
        with pytest.raises(Forbidden, match=r"actor\.role"):
            set_ready(actor, row, stamp=None)
    with pytest.raises(Forbidden, match=r"actor\.key"):
        set_ready(free.key(scopes=["promote", "write"], name="p").actor, row, stamp=None)


def test_ready__whoever_set_it_lost_the_right__stays_open(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    rosa = Member.objects.select_related("user").get(pk=free.rosa.member_id)
    change_member(free.olga, rosa, role=Role.REVIEWER)
    approve(free.grace, row)
    deliver()
    assert fresh(row).state == "open"
    change_member(free.olga, rosa, role=Role.RELEASER)
    tasks.apply_ready()
    assert fresh(row).state == "applied"


def test_ready__switched_off_closed_or_moved__applies_nothing(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    set_ready(free.rosa, row, stamp=None, ready=False)
    approve(free.grace, row)
    deliver()
    assert fresh(row).state == "open"
    other = open_promotion(free.ada, version(free.ada, row.prompt, "b"), row.environment)
    set_ready(free.rosa, other, stamp=None)
    close(free.ada, other, stamp=None)
    assert apply_if_ready(other.pk) is None
    policy(free, "staging", approvals=0)
    third = open_promotion(free.ada, version(free.ada, row.prompt, "c"), row.environment)
    go_live(free, version(free.ada, row.prompt, "d"), "staging")
    set_ready(free.rosa, third, stamp=None)
    deliver()
    assert fresh(third).state == "open"
    rebase(free.ada, third, stamp=None)
    deliver()
    assert fresh(third).state == "applied"


def test_ready__waits_for_time__is_looked_at_by_the_clock(free: Cast) -> None:
    row = asked(free)
    freeze = freeze_environment(free.olga, row.environment, starts_at=in_minutes(-1), ends_at=in_minutes(9), reason="x")
    set_ready(free.rosa, row, stamp=None)
    deliver()
    tasks.apply_ready()
    assert fresh(row).state == "open"
    let_pass(freeze, timedelta(minutes=10), "starts_at", "ends_at")
    tasks.apply_ready()
    assert fresh(row).state == "applied"
