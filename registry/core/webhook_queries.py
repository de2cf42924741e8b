"""Reads of webhooks and of their logs: a fixed number of queries each."""

from datetime import timedelta

from django.db.models import Count, Prefetch, Q, QuerySet
from django.db.models.functions import Now

from registry.core.models import JobState, Webhook, WebhookDelivery, WebhookTry

LATELY = timedelta(days=1)


def webhooks_of(workspace_id: int) -> QuerySet[Webhook]:
    """The endpoints of a workspace, newest first, each with how many deliveries it accepted, refused and waits for in a day."""
    recent = Q(deliveries__created_at__gte=Now() - LATELY)
    done, failed = Q(deliveries__state=JobState.DONE), Q(deliveries__state=JobState.ERROR)
    waiting = Q(deliveries__state__in=[JobState.QUEUED, JobState.RUNNING])
    return (
        Webhook.objects.in_workspace(workspace_id)
        .annotate(
            accepted=Count("deliveries", filter=recent & done),
            refused=Count("deliveries", filter=recent & failed),
            waiting=Count("deliveries", filter=waiting),
        )
        .order_by("-pk")
    )


def deliveries_of(webhook: Webhook) -> QuerySet[WebhookDelivery]:
    """The log of an endpoint, newest first, with events and tries (newest first)."""
    tries = Prefetch("log", queryset=WebhookTry.objects.order_by("-pk"))
    return webhook.deliveries.select_related("event", "webhook").prefetch_related(tries).order_by("-pk")
