"""Applying a promotion: by hand, over blockers, by the clock, or when ready. All of them judge under the same locks.

Refusals come in the order of the API: right, stale view, input, state. Who may never apply is not told of blockers.
"""

import json

from django.db import transaction
from django.db.models.functions import Now

from prompts_app.actions.moving import Moved, Place, lock_places, move
from prompts_app.actions.promotions import (
    end,
    find_promotion,
    record,
    refuse_stale_view,
    refuse_state,
    require_mover,
    under_lock,
)
from prompts_app.actions.prompts import checked_text
from prompts_app.facts import Judgement, judge, member_refusal, override_refusals, policy_of, scheduler_of
from prompts_app.gates import Blocker, Level, standing
from prompts_app.models import DeploymentKind, Override, Promotion, PromotionState, Turn
from registry.core import outbox
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.errors import Conflict, Forbidden, invalid_field
from registry.core.identity import actor_of_member, as_of_now
from registry.core.permissions import Permission, require

MIN_OVERRIDE_REASON = 20
OPEN, SCHEDULED = PromotionState.OPEN, PromotionState.SCHEDULED


def apply_promotion(actor: Actor, promotion: Promotion, *, stamp: int | None) -> Moved:
    """Make the promoted version live if nothing is in the way; raises Conflict `promotion.blocked` with the blockers."""
    with transaction.atomic():
        place, row = _locked(promotion)
        actor = as_of_now(actor)
        require_mover(actor, policy_of(row))
        refuse_stale_view(row, stamp)
        refuse_state(row, {OPEN})
        judgement = judge(row, actor)
        if standing(judgement.blockers):
            raise _blocked(judgement, "Something is in the way: `blockers` says what, and who can clear it.")
        return _apply(place, row, actor, judgement)


def override_promotion(actor: Actor, promotion: Promotion, *, stamp: int | None, reason: str) -> Moved:
    """Apply over soft blockers, for a reason of 20 characters or more; the blockers present are kept with it.

    Never over a hard one; with nothing to override it is a normal apply.
    """
    with transaction.atomic():
        place, row = _locked(promotion)
        actor = as_of_now(actor)
        judgement = judge(row, actor)
        present = standing(judgement.blockers)
        require(actor, Permission.OVERRIDE)
        require_mover(actor, judgement.policy)
        if row.is_pending and present and not judgement.policy.allow_override:
            raise Forbidden("override.forbidden", f"{row.environment.label} forbids overrides.")
        refuse_stale_view(row, stamp)
        if len(reason.strip()) < MIN_OVERRIDE_REASON:
            raise invalid_field("reason", "length", f"Give a reason of at least {MIN_OVERRIDE_REASON} characters.")
        checked_text("reason", reason)
        refuse_state(row, {OPEN})
        if not present:
            return _apply(place, row, actor, judgement)
        if any(blocker.level is Level.HARD for blocker in present):
            raise _blocked(judgement, "A hard blocker stands: it cannot be overridden.")
        moved = _apply(place, row, actor, judgement, reason=reason, overridden=present)
        Override.objects.create(
            deployment=moved.deployment,
            promotion=row,
            by_id=actor.member_id,
            reason=reason,
            blockers=json.dumps([blocker.to_json() for blocker in present], ensure_ascii=False),
        )
        return moved


def apply_due(promotion_id: int) -> Moved | None:
    """The clock's turn on a scheduled promotion: apply as its scheduler, or suspend it and tell. None if not due."""
    with transaction.atomic():
        found = Promotion.objects.filter(pk=promotion_id, state=SCHEDULED, scheduled_for__lte=Now()).first()
        if found is None:
            return None
        promotion = _load(found)
        [place] = lock_places(promotion.prompt, [promotion.environment])
        row = place.promotion(promotion.pk)
        if row is None or row.state != SCHEDULED or row.stamp != promotion.stamp:
            return None
        row = _load(row)
        judgement = judge(row, None)
        blocked = standing(judgement.blockers)
        if blocked:
            _suspend(row, blocked)
            return None
        return _apply(place, row, scheduler_of(row), judgement)


def apply_if_ready(promotion_id: int) -> Moved | None:
    """Apply a promotion set to promote when ready, as whoever set it; None while anything is in the way."""
    with transaction.atomic():
        found = Promotion.objects.filter(pk=promotion_id, state=OPEN, ready_by__isnull=False).first()
        if found is None:
            return None
        promotion = _load(found)
        [place] = lock_places(promotion.prompt, [promotion.environment])
        row = place.promotion(promotion.pk)
        if row is None or row.state != OPEN or row.ready_by_id is None:
            return None
        row = _load(row)
        assert row.ready_by is not None
        actor = actor_of_member(row.ready_by)
        judgement = judge(row, actor)
        if member_refusal(row.ready_by, judgement.policy) or standing(judgement.blockers):
            return None
        return _apply(place, row, actor, judgement)


@transaction.atomic
def review_override(actor: Actor, override: Override) -> Override:
    """A person who could have approved says afterwards that they looked at an override."""
    require(actor, Permission.REVIEW)
    row = Override.objects.select_for_update(of=("self",), no_key=True).select_related("promotion").get(pk=override.pk)
    promotion = find_promotion(actor.workspace_id, row.promotion_id)
    require_override_reviewer(actor, promotion, row)
    if row.reviewed_at is None:
        Override.objects.filter(pk=row.pk).update(reviewed_by=actor.member_id, reviewed_at=Now())
        record(actor, "override.reviewed", promotion)
        row.refresh_from_db()
    return row


def find_override(promotion: Promotion) -> Override:
    """What was overridden when the promotion was applied; raises Conflict where nothing was."""
    override = Override.objects.filter(promotion=promotion).first()
    if override is None:
        raise Conflict("override.none", "Nothing was overridden here.")
    return override


def require_override_reviewer(actor: Actor, promotion: Promotion, override: Override) -> None:
    """Raise Forbidden for whoever overrode it, or could not have approved what it replaced."""
    why = override_refusals(promotion, override).get(actor.member_id)
    if why:
        raise Forbidden("override.own", f"Somebody else reviews this override: you {why}.")


def _locked(promotion: Promotion) -> tuple[Place, Promotion]:
    [place] = lock_places(promotion.prompt, [promotion.environment])
    return place, _load(under_lock(place, promotion))


def _load(row: Promotion) -> Promotion:
    """The row with what judging needs; under the caller's lock it is the same state."""
    return find_promotion(row.prompt.workspace_id, row.pk)


def _blocked(judgement: Judgement, detail: str) -> Conflict:
    return Conflict("promotion.blocked", detail, blockers=[blocker.to_json() for blocker in judgement.blockers])


def _apply(
    place: Place,
    row: Promotion,
    actor: Actor,
    judgement: Judgement,
    *,
    reason: str = "",
    overridden: tuple[Blocker, ...] = (),
) -> Moved:
    moved = move(
        place,
        row.version,
        kind=DeploymentKind.PROMOTION,
        actor=actor,
        reason=reason,
        promotion=row,
        evidence=evidence_of(judgement, overridden),
        detail={"promotion": row.pk, "overridden": [blocker.code for blocker in overridden]},
    )
    end(row, PromotionState.APPLIED)
    row.deployment = moved.deployment
    row.stamp += 1
    row.save()
    if overridden:
        outbox.send(actor.workspace_id, "promotion.overridden", {"promotion_id": row.pk})
    return moved


def _suspend(row: Promotion, blocked: tuple[Blocker, ...]) -> None:
    row.state = PromotionState.SUSPENDED
    row.note = "; ".join(blocker.message for blocker in blocked)
    row.note_turn(Turn(database_now(), "suspended", "", row.note))
    row.stamp += 1
    row.save()
    outbox.send(row.prompt.workspace_id, "promotion.suspended", {"promotion_id": row.pk, "note": row.note})


def evidence_of(judgement: Judgement, overridden: tuple[Blocker, ...] = ()) -> dict[str, JSON]:
    """What an applied promotion rested on, kept with its deployment."""
    facts = judgement.facts
    return {
        "subject": facts.subject.to_json(),
        "subject_hash": facts.subject.hash,
        "policy": facts.policy.to_json(),
        "checks": [
            {
                "name": check.name,
                "state": check.counts_as(judgement.now, facts.policy.max_age_days),
                "evidence_key": check.evidence_key,
                "at": check.created_at.isoformat() if check.created_at else None,
                "url": check.url,
            }
            for check in facts.checks
        ],
        "approvals": [{"member": vote.member_id, "by": vote.name} for vote in facts.valid_approvals()],
        "overridden": [blocker.to_json() for blocker in overridden],
        "judged_at": judgement.now.isoformat(),
    }
