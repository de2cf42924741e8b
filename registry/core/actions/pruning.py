"""What may be forgotten: answers kept for repeats, used links, sessions that are over, messages and mails of long ago."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.db.models.functions import Now

from registry.core.models import (
    IdempotencyRecord,
    JobState,
    Mail,
    OutboxMessage,
    PersonSession,
    SignInLink,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)

KEEP_ANSWERS = timedelta(hours=24)
KEEP_LINKS = timedelta(days=30)
KEEP_MESSAGES = timedelta(days=7)
KEEP_DELIVERIES, MOST_DELIVERIES = timedelta(days=30), 1000
ENDED = (JobState.DONE, JobState.ERROR, JobState.CANCELLED)


def prune_core() -> int:
    """Delete rows past their time; returns how many. The audit chain and all history stay."""
    now = Now()
    stale = [
        IdempotencyRecord.objects.filter(created_at__lt=now - KEEP_ANSWERS),
        SignInLink.objects.filter(Q(expires_at__lt=now - KEEP_LINKS) | Q(used_at__lt=now - KEEP_LINKS)),
        OutboxMessage.objects.filter(state__in=ENDED, created_at__lt=now - KEEP_MESSAGES),
        Mail.objects.filter(state__in=ENDED, created_at__lt=now - KEEP_MESSAGES),
        PersonSession.objects.filter(last_seen_at__lt=now - KEEP_LINKS),
        Session.objects.filter(expire_date__lt=now),
    ]
    return sum(rows.delete()[0] for rows in stale) + _prune_deliveries()


def _prune_deliveries() -> int:
    """The log of each endpoint: a month of it, and no more than its newest thousand; then events that nobody is sent."""
    ended = WebhookDelivery.objects.filter(state__in=ENDED)
    gone = ended.filter(created_at__lt=Now() - KEEP_DELIVERIES).delete()[0]
    for webhook in Webhook.objects.all():
        newest = webhook.deliveries.order_by("-pk").values_list("pk", flat=True)
        last = newest[MOST_DELIVERIES - 1 : MOST_DELIVERIES].first()
        if last is not None:
            gone += ended.filter(webhook=webhook, pk__lt=last).delete()[0]
    return gone + WebhookEvent.objects.filter(deliveries=None).delete()[0]
