"""The core's tables that hold texts of people."""

from registry.core.models import AuditEvent, IdempotencyRecord, Invitation, Notification, WebhookEvent, WebhookTry
from registry.core.texts import Fate, Place, keep_in_mind


def offer_all() -> None:
    """Let erasures look through them; called once, when the app is ready."""
    keep_in_mind(
        Place("answers kept for repeats", IdempotencyRecord, ("body",), Fate.DELETED),
        Place("notifications", Notification, ("text",), Fate.DELETED),
        Place("webhook events", WebhookEvent, ("text", "data", "content"), Fate.DELETED),
        Place("answers to webhooks", WebhookTry, ("answer",), Fate.EMPTIED, "delivery__webhook__workspace"),
        Place("invitations", Invitation, ("note",), Fate.KEPT),
        Place("audit events", AuditEvent, ("subject_name", "detail"), Fate.KEPT),
    )
