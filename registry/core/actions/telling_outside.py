"""From an outbox message to deliveries: an event recorded once, and a row for each endpoint that wants it."""

import json
from collections.abc import Callable, Mapping

from django.conf import settings

from registry.core import events, jobs, outbox
from registry.core.canonical import JSON
from registry.core.events import Audited, Happened, page_url
from registry.core.models import AuditEvent, Webhook, WebhookDelivery, WebhookEvent
from registry.core.outbox import Message

type Translate = Callable[[Message], Happened | None]


def listen(topic: str, translate: Translate) -> None:
    """Tell endpoints what `translate` makes of each message of `topic`; None tells nothing."""

    def hear(message: Message) -> None:
        if _active(message.workspace_id):
            happened = translate(message)
            if happened is not None:
                record_event(message, happened)

    outbox.subscribe(topic, hear)


def record_event(message: Message, happened: Happened) -> WebhookEvent | None:
    """Record an event and a delivery for each endpoint that wants it, inside the caller's transaction; a repeat of the
    message changes nothing. None where nobody wants it."""
    wanted = [one for one in _active(message.workspace_id) if one.wants(happened.type, happened.environment)]
    if not wanted or WebhookEvent.objects.filter(event_id=message.event_id).exists():
        return None
    row = WebhookEvent.objects.create(
        workspace_id=message.workspace_id,
        event_id=message.event_id,
        type=happened.type,
        environment=happened.environment,
        text=happened.text,
        url=happened.url,
        data=_json({**happened.data, "url": f"{settings.PUBLIC_URL}{happened.url}"}),
        content=_json(happened.content) if happened.content and any(one.with_content for one in wanted) else "",
    )
    deliveries = WebhookDelivery.objects.bulk_create([WebhookDelivery(webhook=one, event=row) for one in wanted])
    jobs.hint_all_after_commit(deliveries)
    return row


def from_audit(message: Message) -> Happened | None:
    """What an audit row says outside: who did what to what, by names, ids and digests."""
    row = AuditEvent.objects.select_related("workspace").get(pk=message.id("audit_id"))
    told = events.audited(row.event)
    if told is None:
        return None
    subject: JSON = {"type": row.subject_type, "id": row.subject_id, "name": row.subject_name}
    actor: JSON = {"kind": row.actor_kind, "name": row.actor_name}
    return Happened(
        told.type,
        f"{row.actor_name} {told.did}: {row.subject_name}",
        page_url(told.page, row.workspace.slug, *_subject(row, told)),
        {"subject": subject, "actor": actor, "before": row.before, "after": row.after},
        environment=told.where(row) if told.where else "",
    )


def _subject(row: AuditEvent, told: Audited) -> list[str]:
    return {"name": [row.subject_name], "id": [row.subject_id]}.get(told.by, [])


def _active(workspace_id: int) -> list[Webhook]:
    return list(Webhook.objects.in_workspace(workspace_id).filter(is_active=True, disabled_at=None))


def _json(value: Mapping[str, JSON]) -> str:
    return json.dumps(dict(value), ensure_ascii=False)
