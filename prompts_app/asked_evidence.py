"""Evidence that was asked for when a promotion opened, and has not begun to be gathered: its runs start by themselves."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, TextField, Value
from django.db.models.functions import Cast, Concat, Now

from registry.core.models import JobState, OutboxMessage

NEEDS_CHECKS = "promotion.needs_checks"
# What was asked for longer ago than this is not said to be about to start: somebody has to see to it.
STARTS_WITHIN = timedelta(seconds=60)


def is_asked_for(workspace_id: int, promotion: OuterRef | Value) -> Exists:
    """For a query's `annotate`: whether the promotion of that id asked for its evidence a moment ago, and nobody has
    answered yet."""
    payload = Concat(Value('{"promotion_id": '), Cast(promotion, TextField()), Value("}"), output_field=TextField())
    waiting = OutboxMessage.objects.filter(workspace=workspace_id, topic=NEEDS_CHECKS, payload=payload)
    is_open = waiting.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    return Exists(is_open.filter(created_at__gt=Now() - STARTS_WITHIN))
