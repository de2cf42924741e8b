"""Votes and comments on promotions."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from prompts_app.actions.promotions import locked, record, refuse_stale_view, refuse_state
from prompts_app.actions.prompts import checked_text
from prompts_app.diffing import compare
from prompts_app.facts import latest_votes, live_deployment, not_eligible, subject_of
from prompts_app.models import PENDING, Approval, Comment, Promotion, Side, Vote
from registry.core import outbox
from registry.core.actor import Actor
from registry.core.clock import database_now
from registry.core.errors import Conflict, Forbidden, NotFound, invalid_field
from registry.core.models import Member
from registry.core.permissions import Permission, require

MAX_PATH = 200
MAX_QUOTE = 1_000
EVENTS = {
    Vote.APPROVE: "promotion.approved",
    Vote.REQUEST_CHANGES: "promotion.changes_requested",
    Vote.WITHDRAWN: "promotion.vote_withdrawn",
}


@transaction.atomic
def vote(
    actor: Actor, promotion: Promotion, choice: Vote, *, stamp: int | None, subject_hash: str, comment: str = ""
) -> Approval:
    """A reviewer's word on exactly what they saw; raises Conflict `approval.changed` when it is something else by now.

    Only an eligible person may approve or ask for changes; whoever voted may always take it back.
    """
    require(actor, Permission.REVIEW)
    row = locked(promotion)
    if choice is not Vote.WITHDRAWN:
        require_eligible(actor, row)
    refuse_stale_view(row, stamp)
    checked_text("comment", comment)
    refuse_state(row, set(PENDING))
    current = subject_of(row)
    if subject_hash or choice is not Vote.WITHDRAWN:
        _refuse_another(subject_hash, current.hash)
    if choice is Vote.WITHDRAWN and not any(mine.member_id == actor.member_id for mine in latest_votes(row)):
        raise Conflict("approval.none", "You have no vote on this promotion that could be withdrawn.")
    approval = _write(
        row, actor, choice, subject_hash=current.hash, subject=json.dumps(current.to_json()), comment=comment
    )
    record(actor, EVENTS[choice], row, detail={"subject_hash": current.hash, "comment": comment})
    outbox.send(actor.workspace_id, "promotion.voted", {"promotion_id": row.pk, "approval_id": approval.pk})
    return approval


def require_eligible(actor: Actor, promotion: Promotion) -> None:
    """Raise Forbidden `approval.ineligible` for whoever may not vote on what they asked for or wrote, while it is pending."""
    if not promotion.is_pending:
        return
    why = not_eligible(promotion, live_deployment(promotion.prompt, promotion.environment)).get(actor.member_id)
    if why:
        raise Forbidden("approval.ineligible", f"Somebody else reviews this: you {why}.")


@transaction.atomic
def dismiss_request(actor: Actor, promotion: Promotion, member: Member, *, stamp: int | None, reason: str) -> Approval:
    """An admin sets aside a request for changes, for a reason; not one on their own work."""
    require(actor, Permission.ADMINISTER)
    row = locked(promotion)
    require_eligible(actor, row)
    refuse_stale_view(row, stamp)
    if not reason.strip():
        raise invalid_field("reason", "required", "Say why this request no longer stands.")
    refuse_state(row, set(PENDING))
    standing = {one.member_id: one for one in latest_votes(row) if one.vote == Vote.REQUEST_CHANGES}
    if member.pk not in standing:
        raise Conflict("approval.none", f"{member.user.name} has no request for changes here.")
    of_member = standing[member.pk]
    dismissal = Approval.objects.create(
        promotion=row,
        member_id=member.pk,
        member_name=of_member.member_name,
        vote=Vote.DISMISSED,
        subject_hash=of_member.subject_hash,
        comment=f"Dismissed by {actor.name}: {checked_text('reason', reason)}",
    )
    _touch(row)
    record(actor, "promotion.request_dismissed", row, detail={"member": of_member.member_name, "reason": reason})
    outbox.send(actor.workspace_id, "promotion.changed", {"promotion_id": row.pk})
    return dismissal


@dataclass(frozen=True)
class Spot:
    """What a comment is about: a text of the difference (`path`, as `MessageDiff.path`) and a line on one of its sides."""

    path: str = ""
    line: int | None = None
    side: str = Side.NEW


@transaction.atomic
def comment(
    actor: Actor,
    promotion: Promotion,
    *,
    body: str,
    spot: Spot | None = None,
    reply_to: Comment | None = None,
    subject_hash: str = "",
) -> Comment:
    """Say something about a promotion, about one line of its diff, or in answer to a comment; with `subject_hash`, only if
    it is still that."""
    require(actor, Permission.WRITE)
    if not body.strip():
        raise invalid_field("comment", "required", "Write something.")
    row = locked(promotion)
    if subject_hash:
        _refuse_another(subject_hash, subject_of(row).hash)
    about = Spot() if reply_to or spot is None else spot
    remark = Comment.objects.create(
        promotion=row,
        member_id=actor.member_id,
        author_name=_name(actor),
        body=checked_text("comment", body),
        path=checked_text("path", about.path, most=MAX_PATH),
        line=about.line,
        reply_to_id=(reply_to.reply_to_id or reply_to.pk) if reply_to else None,
        **(_line_said(row, about) if about.line else {}),
    )
    # A remark is activity, but changes nothing anybody voted on: the stamp stays.
    Promotion.objects.filter(pk=row.pk).update(last_activity_at=database_now())
    record(actor, "promotion.commented", row, detail={"comment": remark.pk})
    outbox.send(actor.workspace_id, "promotion.commented", {"promotion_id": row.pk, "comment_id": remark.pk})
    return remark


@transaction.atomic
def resolve_comment(actor: Actor, remark: Comment, *, resolved: bool = True) -> Comment:
    """Mark a comment, with all that answers it, as dealt with, or as open again."""
    require(actor, Permission.WRITE)
    row = locked(remark.promotion)
    first = remark.reply_to_id or remark.pk
    changed = Comment.objects.filter(pk=first, resolved_at__isnull=resolved).update(
        resolved_at=Now() if resolved else None, resolved_by_name=actor.name if resolved else ""
    )
    if changed:
        record(actor, "promotion.comment_resolved", row, detail={"comment": remark.pk, "resolved": resolved})
    remark.refresh_from_db()
    return remark


def find_comment(promotion: Promotion, pk: int) -> Comment:
    """One comment of a promotion; raises NotFound."""
    remark = Comment.objects.filter(promotion=promotion, pk=pk).select_related("promotion").first()
    if remark is None:
        raise NotFound("comment.not_found", "This promotion has no such comment.")
    return remark


def _refuse_another(seen: str, current: str) -> None:
    if seen != current:
        detail = "What you looked at has changed: look again."
        raise Conflict("approval.changed", detail, subject_hash=current)


def _line_said(row: Promotion, spot: Spot) -> dict[str, Any]:
    """Which line it is: what the candidate is compared with now, and how the line reads."""
    if spot.side not in Side.values:
        raise invalid_field("side", "choice", "A line is on the old side or on the new one.")
    base = row.base.version.load() if row.base and row.base.version else None
    found = next((one for one in compare(base, row.version.load()).messages if one.path == spot.path), None)
    line = found.line(spot.side, spot.line or 0) if found else None
    return {"side": spot.side, "quote": (line or "")[:MAX_QUOTE], "base": row.base}


def _write(row: Promotion, actor: Actor, choice: Vote, *, subject_hash: str, subject: str, comment: str) -> Approval:
    approval = Approval.objects.create(
        promotion=row,
        member_id=actor.member_id,
        member_name=actor.name,
        vote=choice,
        subject_hash=subject_hash,
        subject=subject,
        comment=comment,
    )
    _touch(row)
    return approval


def _touch(row: Promotion) -> None:
    row.stamp += 1
    row.last_activity_at = database_now()
    row.save(update_fields=["stamp", "last_activity_at"])


def _name(actor: Actor) -> str:
    if actor.is_person:
        return actor.name
    return Member.objects.select_related("user").get(pk=actor.member_id).user.name
