"""Webhook endpoints: made and changed by people who administer the workspace; the secret is in one answer only."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from registry.core import audit, events, jobs, signing
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.models import JobState, Webhook, WebhookDelivery, WebhookEvent
from registry.core.permissions import Permission, require, require_confirmed
from registry.core.secrets import seal
from registry.core.webhook_settings import WebhookInput, WebhookSettings, host_of

MOST = 50
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True)
class IssuedWebhook:
    """An endpoint and, where it has just got one, its secret: shown now or never."""

    row: Webhook
    secret: str = field(repr=False)


@transaction.atomic
def create_webhook(actor: Actor, given: WebhookInput) -> IssuedWebhook:
    """Add an endpoint; without a secret given it gets one."""
    require(actor, Permission.ADMINISTER)
    require_confirmed(actor)
    if Webhook.objects.in_workspace(actor.workspace_id).count() >= MOST:
        raise Conflict("webhook.too_many", f"A workspace has at most {MOST} webhooks: delete one.")
    row = Webhook(workspace_id=actor.workspace_id)
    _apply(row, given.settings)
    row.save(force_insert=True)
    secret = given.secret or signing.generate_secret()
    _store(row, secret)
    _record(actor, "webhook.created", row)
    return IssuedWebhook(row, "" if given.secret else secret)


@transaction.atomic
def change_webhook(actor: Actor, webhook: Webhook, given: WebhookInput) -> Webhook:
    """Change an endpoint; switching it on again forgets its failures. Another address needs the secret again, or a new one:
    what is signed with the old one must not be learnt elsewhere."""
    require(actor, Permission.ADMINISTER)
    require_confirmed(actor)
    row = _locked(webhook)
    if given.settings.url != row.url and given.secret is None:
        raise invalid_field("secret", "required", "Enter the secret again, or a new one: the address changes.")
    if given.settings.is_active and row.state != "active":
        row.failing_since, row.disabled_at, row.disabled_why = None, None, ""
    if given.settings.url != row.url:
        row.old_secret, row.old_secret_until = "", None
    _apply(row, given.settings)
    row.save()
    if given.secret is not None:
        _store(row, given.secret)
    _record(actor, "webhook.changed", row)
    return row


@transaction.atomic
def rotate_webhook_secret(actor: Actor, webhook: Webhook) -> IssuedWebhook:
    """A new secret; for a day the old one signs as well, so that the receiver can be changed meanwhile."""
    require(actor, Permission.ADMINISTER)
    require_confirmed(actor)
    row = _locked(webhook)
    secret = signing.generate_secret()
    row.old_secret, row.old_secret_until = row.sealed_secret, database_now() + OVERLAP
    row.save(update_fields=["old_secret", "old_secret_until"])
    _store(row, secret)
    _record(actor, "webhook.secret_rotated", row)
    return IssuedWebhook(row, secret)


@transaction.atomic
def delete_webhook(actor: Actor, webhook: Webhook) -> None:
    """End an endpoint, with its log; what is on its way to it is not sent any more."""
    require(actor, Permission.ADMINISTER)
    row = _locked(webhook)
    _record(actor, "webhook.deleted", row)
    row.delete()


@transaction.atomic
def send_test_event(actor: Actor, webhook: Webhook) -> WebhookDelivery:
    """Send an event that says nothing but that it is a test, whatever the endpoint has chosen."""
    require(actor, Permission.ADMINISTER)
    row = _locked(webhook)
    _refuse_inactive(row)
    event = WebhookEvent.objects.create(
        workspace_id=actor.workspace_id,
        event_id=uuid.uuid4(),
        type=events.TEST,
        text=f"{actor.name} sends a test event",
        data=json.dumps({"webhook": row.pk, "sent_by": actor.name}),
    )
    delivery = WebhookDelivery.objects.create(webhook=row, event=event)
    _record(actor, "webhook.tested", row)
    jobs.hint_after_commit(delivery)
    return delivery


@transaction.atomic
def redeliver(actor: Actor, delivery: WebhookDelivery) -> WebhookDelivery:
    """Send an event again at once, by the same id; what is on its way already is not waited for."""
    require(actor, Permission.ADMINISTER)
    webhook = _locked(delivery.webhook)
    _refuse_inactive(webhook)
    again = WebhookDelivery.objects.filter(pk=delivery.pk).exclude(state=JobState.RUNNING)
    if not again.update(
        state=JobState.QUEUED, attempt=0, tries=0, owner="", error="", not_before=Now(), hinted_at=Now()
    ):
        raise Conflict("delivery.running", "It is being sent at this moment.")
    _record(actor, "webhook.redelivered", webhook, {"delivery": delivery.pk})
    row = find_delivery(webhook, delivery.pk)
    jobs.hint_after_commit(row)
    return row


def find_webhook(workspace_id: int, pk: int) -> Webhook:
    """One endpoint of the workspace; raises NotFound."""
    row = Webhook.objects.in_workspace(workspace_id).filter(pk=pk).first()
    if row is None:
        raise NotFound("webhook.not_found", "This workspace has no such webhook.")
    return row


def find_delivery(webhook: Webhook, pk: int) -> WebhookDelivery:
    """One delivery of the endpoint, with its event; raises NotFound."""
    row = webhook.deliveries.select_related("event", "webhook").filter(pk=pk).first()
    if row is None:
        raise NotFound("delivery.not_found", "This webhook has no such delivery, or it is kept no longer.")
    return row


def settings_of(webhook: Webhook) -> WebhookSettings:
    """A stored endpoint as the plain value it was read from; one that failures disabled counts as switched off."""
    return WebhookSettings(
        name=webhook.name,
        url=webhook.url,
        events=tuple(webhook.events),
        environments=tuple(webhook.environments),
        format=webhook.format,
        with_content=webhook.with_content,
        is_active=webhook.state == "active",
    )


def _locked(webhook: Webhook) -> Webhook:
    row = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook.pk).first()
    if row is None:
        raise NotFound("webhook.not_found", "This workspace has no such webhook.")
    return row


def _refuse_inactive(row: Webhook) -> None:
    if row.state != "active":
        raise Conflict("webhook.inactive", f"This webhook is {row.state}: switch it on first.")


def _apply(row: Webhook, settings: WebhookSettings) -> None:
    row.name, row.url, row.format = settings.name, settings.url, settings.format
    row.events, row.environments = list(settings.events), list(settings.environments)
    row.with_content, row.is_active = settings.with_content, settings.is_active


def _store(row: Webhook, secret: str) -> None:
    row.sealed_secret = seal(secret, context=row.secret_context)
    row.save(update_fields=["sealed_secret"])


def _record(actor: Actor, event: str, row: Webhook, detail: dict[str, JSON] | None = None) -> None:
    """Of the address only the host: the rest of it is a secret where chat tools are told."""
    told: dict[str, JSON] = {
        "host": host_of(row.url),
        "events": list(row.events),
        "environments": list(row.environments),
        "format": row.format,
        "with_content": row.with_content,
        "active": row.is_active,
    }
    audit.record(
        actor,
        event,
        subject_type="webhook",
        subject_id=row.pk,
        subject_name=row.name,
        detail=told if detail is None else detail,
    )
