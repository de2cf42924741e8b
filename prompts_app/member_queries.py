"""What hangs on a member: shown before they go, so that nobody is surprised afterwards."""

from dataclasses import dataclass

from django.db.models import Q

from prompts_app.models import Approval, Draft, Promotion, PromotionState, Vote
from registry.core.actor import Role
from registry.core.models import ApiKey, Member

MOST = 50


@dataclass(frozen=True)
class Ties:
    """Open promotions they asked for or scheduled, keys they answer for, open promotions they approved, unsaved drafts."""

    asked: tuple[Promotion, ...]
    scheduled: tuple[Promotion, ...]
    keys: tuple[ApiKey, ...]
    approved: tuple[Promotion, ...]
    drafts: int
    is_last_owner: bool

    @property
    def is_none(self) -> bool:
        """True where nothing open depends on them."""
        return not (self.asked or self.scheduled or self.keys or self.approved)


def ties_of(member: Member) -> Ties:
    """What becomes different when this member goes; seven queries, lists up to 50."""
    pending = Promotion.objects.pending().select_related("prompt", "version", "environment").order_by("-pk")
    owned = Q(scheduled_by=member, scheduled_by_key=None) | Q(scheduled_by_key__responsible=member)
    approved = Approval.objects.filter(member=member, vote=Vote.APPROVE).values("promotion")
    owners = Member.objects.active().in_workspace(member.workspace_id).filter(role=Role.OWNER)
    return Ties(
        asked=tuple(pending.filter(author=member)[:MOST]),
        scheduled=tuple(pending.filter(owned, state=PromotionState.SCHEDULED)[:MOST]),
        keys=tuple(ApiKey.objects.usable().filter(responsible=member).order_by("name")[:MOST]),
        approved=tuple(pending.filter(pk__in=approved)[:MOST]),
        drafts=Draft.objects.filter(member=member).count(),
        is_last_owner=member.role == Role.OWNER and not owners.exclude(pk=member.pk).exists(),
    )


def others_of(member: Member) -> list[Member]:
    """Who else is there to answer for a member's keys; one query."""
    rows = Member.objects.active().in_workspace(member.workspace_id).exclude(pk=member.pk)
    return list(rows.select_related("user").order_by("user__name"))
