import json
from typing import Any

import pytest

from prompts_app.actions import applying
from prompts_app.actions.applying import (
    apply_promotion,
    override_promotion,
    review_override,
)
from prompts_app.actions.environments import freeze_environment
from prompts_app.actions.promotions import find_promotion, open_promotion
from prompts_app.actions.versions import yank_version
from prompts_app.facts import live_deployment
from prompts_app.models import CheckState, Deployment, Override, Promotion
from prompts_app.promotion_queries import review_of
from prompts_app.transitions import allowed_to
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Forbidden, Invalid, PreconditionFailed
from registry.core.models import AuditEvent
from tests.builders import Cast, join, prompt, version
from tests.scenes import approve, codes, fresh, go_live, in_minutes, policy, post, suite

REASON = "the fix cannot wait for Monday"


def asked(cast: Cast, environment: str = "staging", text: str = "a") -> Promotion:
    return open_promotion(cast.ada, prompt(cast.ada, text=text).versions.get(), cast.environment(environment))


def otto(cast: Cast) -> Actor:
    """A releaser who was granted to override."""
    return join(cast.olga, "Otto", Role.RELEASER, grants=("override",))


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
        assert "review-override" not in allowed_to(actor, review_of(find_promotion(actor.workspace_id, row.pk), actor))
    with pytest.raises(Forbidden, match=r"actor\."):
        review_override(free.ada, override)
    assert review_override(free.rosa, override).reviewed_by_id == free.rosa.member_id
    events = AuditEvent.objects.count()
    assert review_override(free.olga, override).reviewed_by_id == free.rosa.member_id, "the first review stands"
    assert AuditEvent.objects.count() == events
