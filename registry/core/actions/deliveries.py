"""Sending events: each delivery tried over three days, each try in the log, an endpoint that fails for five days ended."""

import json
import random
import re
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from registry.core import jobs, signing
from registry.core.actions.notifications import notify
from registry.core.actor import Role
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.errors import Unavailable
from registry.core.events import page_url
from registry.core.models import (
    JobState,
    Member,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    WebhookFormat,
    WebhookTry,
)
from registry.core.posting import DEADLINE_S, Posted, post, target_of
from registry.core.secrets import unseal
from registry.core.times import rfc3339

LEASE_S = 4 * DEADLINE_S
# Seconds to wait after each failed try: some 75 hours together, then it is given up.
DELAYS_S = (5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2
MOST_RETRY_AFTER_S = 3600.0
DISABLED_AFTER = timedelta(days=5)
GONE = 410
MOST_AT_ONCE = 2
BUSY_S = 3.0
# A shorter path holds nothing to be guessed.
LEAST_SECRET = 10
DISABLED = "webhook.disabled"
# What makes chat tools call everybody, wherever it stands in a text.
_CALL = re.compile(r"@(?=(?:all|channel|everyone|here)\b)", re.IGNORECASE)
_chance = random.SystemRandom()

log = structlog.get_logger(__name__)


def deliver_webhook(pk: int, *, owner: str) -> bool:
    """Try to send one delivery; True where the endpoint accepted it. A worker that is lost while sending is no try: the
    endpoint may get the event twice, by the same id."""
    row = jobs.claim(WebhookDelivery, pk, owner=owner, lease_s=LEASE_S)
    if row is None:
        return False
    row = WebhookDelivery.objects.select_related("webhook__workspace", "event").get(pk=row.pk)
    webhook = row.webhook
    if webhook.state != "active":
        jobs.finish(row, state=JobState.CANCELLED, error=f"the endpoint is {webhook.state}")
        return False
    others = WebhookDelivery.objects.filter(webhook=webhook, state=JobState.RUNNING, lease_until__gte=Now())
    if others.exclude(pk=row.pk).count() >= MOST_AT_ONCE:
        jobs.put_off(row, error="", delay_s=BUSY_S * _chance.uniform(1, 2))
        return False
    return note_outcome(row, _send(webhook, row.event))


def body_of(webhook: Webhook, event: WebhookEvent) -> bytes:
    """What is sent: one line for chat tools, or the event as JSON."""
    if webhook.format == WebhookFormat.TEXT:
        where = f" {settings.PUBLIC_URL}{event.url}" if event.url else ""
        return json.dumps({"text": f"{_for_chat(event.text)}{where}"}, ensure_ascii=False).encode()
    data = json.loads(event.data)
    if event.content and webhook.with_content:
        data["content"] = json.loads(event.content)
    value: dict[str, JSON] = {
        "id": event.message_id,
        "type": event.type,
        "timestamp": rfc3339(event.created_at),
        "workspace": webhook.workspace.slug,
        "environment": event.environment or None,
        "data": data,
    }
    return json.dumps(value, ensure_ascii=False).encode()


def _for_chat(text: str) -> str:
    """A line that chat tools show as it is: names in it make no link, and call nobody."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CALL.sub("@\u2060", plain)


def secrets_of(webhook: Webhook, now: datetime) -> list[str]:
    """What signs now: the secret, and the one before it while both hold. Raises SecretUnreadable."""
    sealed = [webhook.sealed_secret]
    if webhook.old_secret and webhook.old_secret_until is not None and now < webhook.old_secret_until:
        sealed.append(webhook.old_secret)
    return [unseal(one, context=webhook.secret_context) for one in sealed]


def _send(webhook: Webhook, event: WebhookEvent) -> Posted:
    now, body = database_now(), body_of(webhook, event)
    try:
        secrets = secrets_of(webhook, now)
    except Unavailable as unreadable:
        return Posted(0, 0, error=unreadable.detail[:300])
    signed = signing.headers(secrets, message_id=event.message_id, timestamp=int(now.timestamp()), body=body)
    headers = {"Content-Type": "application/json"}
    posted = post(webhook.url, body, headers=headers, own=signed, allow=settings.OUTBOUND_ALLOW)
    return replace(posted, answer=_without(posted.answer, [*secrets, target_of(webhook.url)]))


def _without(answer: str, secret: Iterable[str]) -> str:
    """An answer that repeats what was asked for and where, fit to be kept: paths of chat tools are secrets. JSON may have a
    path with backslashes, and the answer may be cut off within one."""
    for one in (form for each in secret if len(each) >= LEAST_SECRET for form in (each.replace("/", "\\/"), each)):
        answer = answer.replace(one, "…")
        begun = (one[:length] for length in range(len(one) - 1, LEAST_SECRET - 1, -1))
        if rest := next((part for part in begun if answer.endswith(part)), ""):
            answer = answer.removesuffix(rest) + "…"
    return answer


@transaction.atomic
def note_outcome(row: WebhookDelivery, posted: Posted) -> bool:
    """Keep what came of a try and say when the next one is; nothing is written where another attempt took the row over."""
    webhook = Webhook.objects.select_for_update(no_key=True).filter(pk=row.webhook_id).first()
    if webhook is None or not jobs.holds(row):
        return False
    why = "" if posted.is_accepted else posted.error or f"answered {posted.status}"
    WebhookTry.objects.create(
        delivery=row, status=posted.status, duration_ms=posted.duration_ms, error=why[:300], answer=posted.answer
    )
    WebhookDelivery.objects.filter(pk=row.pk).update(tries=row.tries + 1)
    log.info("webhook.tried", webhook=webhook.pk, delivery=row.pk, status=posted.status, ms=posted.duration_ms)
    if posted.is_accepted:
        Webhook.objects.filter(pk=webhook.pk).update(failing_since=None)
        return jobs.finish(row)
    if row.tries >= len(DELAYS_S):
        jobs.finish(row, state=JobState.ERROR, error=f"given up after {row.tries + 1} tries: {why}")
    else:
        jobs.put_off(row, error=why, delay_s=delay_after(row.tries, posted.retry_after_s))
    _note_failure(webhook, posted, why)
    return False


def delay_after(tries: int, retry_after_s: float | None) -> float:
    """Seconds until the next try: the plan's, a fifth more or less, and not before the endpoint wants it."""
    planned = DELAYS_S[tries] * _chance.uniform(1 - JITTER, 1 + JITTER)
    return max(planned, min(retry_after_s or 0, MOST_RETRY_AFTER_S))


def _note_failure(webhook: Webhook, posted: Posted, why: str) -> None:
    now = database_now()
    since = webhook.failing_since or now
    if webhook.failing_since is None:
        Webhook.objects.filter(pk=webhook.pk).update(failing_since=now)
    if webhook.disabled_at is not None or (posted.status != GONE and now - since < DISABLED_AFTER):
        return
    for_days = f"failed for {DISABLED_AFTER.days} days"
    Webhook.objects.filter(pk=webhook.pk).update(
        disabled_at=now, disabled_why=(f"{for_days}; last: {why}" if posted.status != GONE else why)[:200]
    )
    admins = Member.objects.active().filter(workspace=webhook.workspace_id, role__in=[Role.ADMIN, Role.OWNER])
    notify(
        webhook.workspace_id,
        admins.values_list("user_id", flat=True),
        event_id=uuid.uuid4(),
        topic=DISABLED,
        text=f"The webhook {webhook.name} is disabled: its endpoint {why}",
        url=page_url("settings_webhook", webhook.workspace.slug, webhook.pk),
    )
