"""What may be forgotten: answers kept for repeats, used links, sessions that are over, messages and mails of long ago."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.db.models.functions import Now

from registry.core.models import IdempotencyRecord, JobState, Mail, OutboxMessage, PersonSession, SignInLink

KEEP_ANSWERS = timedelta(hours=24)
KEEP_LINKS = timedelta(days=30)
KEEP_MESSAGES = timedelta(days=7)


def prune_core() -> int:
    """Delete rows past their time; returns how many. The audit chain and all history stay."""
    now = Now()
    stale = [
        IdempotencyRecord.objects.filter(created_at__lt=now - KEEP_ANSWERS),
        SignInLink.objects.filter(Q(expires_at__lt=now - KEEP_LINKS) | Q(used_at__lt=now - KEEP_LINKS)),
        OutboxMessage.objects.filter(state=JobState.DONE, created_at__lt=now - KEEP_MESSAGES),
        Mail.objects.filter(state=JobState.DONE, created_at__lt=now - KEEP_MESSAGES),
        PersonSession.objects.filter(last_seen_at__lt=now - KEEP_LINKS),
        Session.objects.filter(expire_date__lt=now),
    ]
    return sum(rows.delete()[0] for rows in stale)
