"""Promotions until they are applied: opened, moved on, ended. Applying is `applying`, voting is `reviews`."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from prompts_app.actions.moving import Place, lock_places
from prompts_app.actions.prompts import checked_text
from prompts_app.asked_evidence import NEEDS_CHECKS
from prompts_app.facts import approvers, current_policy, policy_of
from prompts_app.models import (
    EXPIRES_AFTER,
    PENDING,
    Approval,
    Environment,
    Promotion,
    PromotionState,
    Prompt,
    PromptVersion,
    Turn,
    actions_in,
)
from prompts_app.policy import Policy
from registry.core import audit, outbox
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.errors import Conflict, Forbidden, NotFound, PreconditionFailed, invalid_field
from registry.core.models import Member
from registry.core.permissions import Permission, require, require_confirmed, require_person

OPEN, SCHEDULED, SUSPENDED = PENDING
FARTHEST_SCHEDULE = timedelta(days=365)
MAX_TITLE = 200


@transaction.atomic
def open_promotion(
    actor: Actor,
    version: PromptVersion,
    environment: Environment,
    *,
    title: str = "",
    acknowledge_breaking: bool = False,
    scheduled_for: datetime | None = None,
) -> Promotion:
    """Ask for a version to go live over what is live now.

    Raises Conflict `promotion.exists` (naming it), `version.live` and `prompt.archived`; `scheduled_for` schedules at once,
    with the rights that takes.
    """
    require(actor, Permission.WRITE)
    if scheduled_for is not None:
        require_mover(actor, current_policy(environment).load())
        _refuse_time(scheduled_for)
    checked_text("title", title, most=MAX_TITLE)
    [place] = lock_places(version.prompt, [environment])
    if Prompt.objects.get(pk=version.prompt_id).is_archived:
        raise Conflict("prompt.archived", "This prompt is archived: unarchive it first.")
    _refuse_repetition(place, version)
    policy = current_policy(environment)
    promotion = Promotion(
        prompt=version.prompt,
        version=version,
        environment=environment,
        title=title or f"Version {version.number} to {environment.label}",
        base=place.live,
        policy_opened=policy,
        author_id=actor.member_id,
        author_name=_name(actor),
        key_name=actor.name if actor.kind == "key" else "",
        acknowledges_breaking=acknowledge_breaking,
    )
    if scheduled_for is not None:
        _set_schedule(promotion, actor, scheduled_for)
        promotion.note_turn(Turn(database_now(), "scheduled", actor.name, scheduled_for.isoformat()))
    promotion.save(force_insert=True)
    promotion.refresh_from_db()
    record(actor, "promotion.opened", promotion)
    outbox.send(actor.workspace_id, NEEDS_CHECKS, {"promotion_id": promotion.pk})
    outbox.send(actor.workspace_id, "promotion.opened", {"promotion_id": promotion.pk})
    return promotion


def schedule(actor: Actor, promotion: Promotion, *, stamp: int | None, at: datetime) -> Promotion:
    """Let the clock apply it at `at`; approvals given for no time, or another, go stale."""
    require_mover(actor, policy_of(promotion))

    def change(row: Promotion) -> None:
        _set_schedule(row, actor, at)

    def validate() -> None:
        _refuse_time(at)

    return _change(
        actor,
        promotion,
        stamp,
        "promotion.scheduled",
        states={OPEN},
        change=change,
        validate=validate,
        text=at.isoformat(),
    )


def unschedule(actor: Actor, promotion: Promotion, *, stamp: int | None) -> Promotion:
    """Back to open without a time; approvals given before scheduling are valid again."""
    return _change(actor, promotion, stamp, "promotion.unscheduled", states={SCHEDULED}, change=_clear_schedule)


def resume(actor: Actor, promotion: Promotion, *, stamp: int | None) -> Promotion:
    """A suspended promotion is open again, without a time."""
    return _change(actor, promotion, stamp, "promotion.resumed", states={SUSPENDED}, change=_clear_schedule)


def rebase(actor: Actor, promotion: Promotion, *, stamp: int | None) -> Promotion:
    """Aim at what is live now; evidence stays good where it fits, approvals go stale. A base that did not move stays."""
    require(actor, Permission.WRITE)
    with transaction.atomic():
        [place] = lock_places(promotion.prompt, [promotion.environment])
        row = under_lock(place, promotion)
        refuse_stale_view(row, stamp)
        refuse_state(row, set(PENDING))
        live = place.live
        if row.base_id == (live.pk if live else None):
            return row
        approved_by = approvers(row)
        row.base = live
        onto = f"v{place.live_version.number}" if place.live_version else ""
        row.note_turn(Turn(database_now(), "rebased", actor.name, onto))
        _save(row)
        record(actor, "promotion.rebased", row, detail={"base": row.base_id})
        outbox.send(actor.workspace_id, NEEDS_CHECKS, {"promotion_id": row.pk})
        _send_changed(actor, row, approved_by)
    return row


def reopen(actor: Actor, promotion: Promotion, *, stamp: int | None) -> Promotion:
    """Be judged by the policy as it is now instead of the stricter of then and now; approvals are dropped."""

    def change(row: Promotion) -> None:
        row.policy_opened = current_policy(row.environment)
        newest = Approval.objects.filter(promotion=row).order_by("-pk").values_list("pk", flat=True).first()
        row.votes_after = newest or row.votes_after

    return _change(actor, promotion, stamp, "promotion.reopened", states=set(PENDING), change=change)


def close(actor: Actor, promotion: Promotion, *, stamp: int | None, reason: str = "") -> Promotion:
    """Give it up."""

    def change(row: Promotion) -> None:
        end(row, PromotionState.CLOSED, note=reason)

    def validate() -> None:
        checked_text("reason", reason)

    return _change(
        actor, promotion, stamp, "promotion.closed", states=set(PENDING), change=change, validate=validate, text=reason
    )


def acknowledge_breaking(
    actor: Actor, promotion: Promotion, *, stamp: int | None, acknowledged: bool = True
) -> Promotion:
    """The author says that services know of the breaking change; approvals given without that go stale."""
    require_author(actor, promotion)

    def change(row: Promotion) -> None:
        row.acknowledges_breaking = acknowledged

    turn = "acknowledged" if acknowledged else "unacknowledged"
    return _change(actor, promotion, stamp, "promotion.acknowledged", states=set(PENDING), change=change, turn=turn)


def require_author(actor: Actor, promotion: Promotion) -> None:
    """Raise Forbidden unless the actor, or for a key its responsible member, opened the promotion."""
    if actor.member_id != promotion.author_id:
        raise Forbidden(
            "promotion.not_author", "Only whoever opened this promotion can acknowledge that it breaks the contract."
        )


def set_ready(actor: Actor, promotion: Promotion, *, stamp: int | None, ready: bool = True) -> Promotion:
    """Promote when ready: apply by itself, in the person's name, as soon as nothing is in the way."""
    require_person(actor)
    require_mover(actor, policy_of(promotion))

    def change(row: Promotion) -> None:
        row.ready_by_id = actor.member_id if ready else None

    turn = "set_ready" if ready else "unset_ready"
    return _change(actor, promotion, stamp, "promotion.set_ready", states={OPEN}, change=change, turn=turn)


def require_mover(actor: Actor, policy: Policy) -> None:
    """Raise Forbidden for whoever may not apply under these rules, ConfirmationNeeded where a protected stage asks who it is."""
    require(actor, Permission.APPLY, protected=policy.protected)
    if policy.protected:
        require_confirmed(actor)


def expire_promotions() -> int:
    """End what nobody has touched for 14 days; the system's own doing. Returns how many ended."""
    ended = 0
    for pk in (
        Promotion.objects.pending().filter(last_activity_at__lt=Now() - EXPIRES_AFTER).values_list("pk", flat=True)
    ):
        with transaction.atomic():
            due = Promotion.objects.pending().filter(pk=pk, last_activity_at__lt=Now() - EXPIRES_AFTER)
            row = due.select_related("prompt").select_for_update(of=("self",), no_key=True, skip_locked=True).first()
            if row is not None:
                end(row, PromotionState.EXPIRED, note="nobody touched it for 14 days")
                _save(row, is_activity=False)
                outbox.send(row.prompt.workspace_id, "promotion.ended", {"promotion_id": row.pk})
                ended += 1
    return ended


def find_promotion(workspace_id: int, pk: int) -> Promotion:
    """One promotion with what judging it needs; raises NotFound."""
    # No more joins than this: planning a dozen of them takes longer than all of judging. What is rarely set loads itself.
    rows = Promotion.objects.in_workspace(workspace_id).select_related(
        "prompt", "version", "environment", "base__version", "policy_opened", "author__user"
    )
    promotion = rows.filter(pk=pk).first()
    if promotion is None:
        raise NotFound("promotion.not_found", "This workspace has no such promotion.")
    promotion.version.prompt, promotion.policy_opened.environment = promotion.prompt, promotion.environment
    return promotion


def under_lock(place: Place, promotion: Promotion) -> Promotion:
    """The promotion as it is under the place's locks; one that has ended needs none."""
    return place.promotion(promotion.pk) or Promotion.objects.get(pk=promotion.pk)


def end(row: Promotion, state: PromotionState, *, note: str = "") -> None:
    """Put an end to a promotion, in memory; the caller saves it."""
    row.state, row.note, row.ready_by, row.ended_at = state, note, None, database_now()


def record(actor: Actor, event: str, promotion: Promotion, *, detail: dict[str, JSON] | None = None) -> None:
    """The audit row of an action on a promotion."""
    audit.record(
        actor,
        event,
        subject_type="promotion",
        subject_id=promotion.pk,
        subject_name=f"{promotion.prompt.name} v{promotion.version.number} → {promotion.environment.name}",
        after=promotion.version.digest,
        detail={"state": promotion.state, **(detail or {})},
    )


def _change(
    actor: Actor,
    promotion: Promotion,
    stamp: int | None,
    event: str,
    *,
    states: set[PromotionState],
    change: Callable[[Promotion], None],
    validate: Callable[[], object] | None = None,
    turn: str = "",
    text: str = "",
) -> Promotion:
    """The shape of every simple change: lock the row, refuse or change it, save, record, tell.

    `turn` and `text` are what the promotion's own story says; unless told, the event's last word.
    """
    require(actor, Permission.WRITE)
    with transaction.atomic():
        row = locked(promotion)
        refuse_stale_view(row, stamp)
        if validate is not None:
            validate()
        refuse_state(row, states)
        approved_by = approvers(row)
        change(row)
        row.note_turn(Turn(database_now(), turn or event.removeprefix("promotion."), actor.name, text))
        _save(row)
        record(actor, event, row)
        if row.is_pending:
            _send_changed(actor, row, approved_by)
        else:
            ended: dict[str, JSON] = {"promotion_id": row.pk, "by": actor.person_id}
            outbox.send(actor.workspace_id, "promotion.ended", ended)
    return row


def _send_changed(actor: Actor, row: Promotion, approved_by: frozenset[int]) -> None:
    """Tell of a change, and of the approvals that it made stale."""
    stale: list[JSON] = [*sorted(approved_by - approvers(row))]
    changed: dict[str, JSON] = {"promotion_id": row.pk, "stale": stale, "by": actor.person_id}
    outbox.send(actor.workspace_id, "promotion.changed", changed)


def locked(promotion: Promotion) -> Promotion:
    """The row under lock, with what recording needs.

    Locked by itself and loaded then: a joined row is lost when what it was joined by changes while the lock is awaited.
    """
    row = Promotion.objects.select_for_update(no_key=True).get(pk=promotion.pk)
    return find_promotion(row.prompt.workspace_id, row.pk)


def _save(row: Promotion, *, is_activity: bool = True) -> None:
    row.stamp += 1
    if is_activity:
        row.last_activity_at = database_now()
    row.save()


def _set_schedule(row: Promotion, actor: Actor, at: datetime) -> None:
    row.state, row.scheduled_for, row.scheduled_by_id = SCHEDULED, at, actor.member_id
    row.scheduled_by_key_id = None if actor.is_person else actor.id


def _clear_schedule(row: Promotion) -> None:
    row.state, row.scheduled_for, row.scheduled_by, row.scheduled_by_key = OPEN, None, None, None


def refuse_stale_view(row: Promotion, stamp: int | None) -> None:
    """PreconditionFailed unless the caller saw the promotion as it is; None is for callers who need not have looked."""
    if stamp is not None and stamp != row.stamp:
        raise PreconditionFailed("precondition.failed", "It changed since you read it: read it again.")


def refuse_state(row: Promotion, states: set[PromotionState]) -> None:
    """Conflict `promotion.state` unless the promotion is in one of these states."""
    if row.state not in states:
        allowed: list[JSON] = list(actions_in(row.state))
        state = "promoted" if row.state == PromotionState.APPLIED else row.state
        detail = f"It is {state}: that is possible only while it is {' or '.join(sorted(states))}."
        raise Conflict("promotion.state", detail, state=row.state, allowed=allowed)


def _refuse_repetition(place: Place, version: PromptVersion) -> None:
    existing = next((row for row in place.promotions if row.version_id == version.pk), None)
    if existing is not None:
        detail = f"Promotion {existing.pk} asks for the same version here: go on with that one."
        raise Conflict("promotion.exists", detail, promotion=existing.pk)
    if place.live_version is not None and place.live_version.digest == version.digest:
        raise Conflict("version.live", f"This content is live in {place.environment.label} already.")


def _refuse_time(at: datetime) -> None:
    now = database_now()
    if not now < at < now + FARTHEST_SCHEDULE:
        raise invalid_field("at", "range", "It takes a time in the future, within a year.")


def _name(actor: Actor) -> str:
    return Member.objects.select_related("user").get(pk=actor.member_id).user.name
