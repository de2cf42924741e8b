"""What the core itself tells, in people's inboxes and outside; which of its rows the sweeper looks after, and where its secrets are."""

from registry.core import events, jobs, news, secrets
from registry.core.actions.deliveries import DISABLED
from registry.core.actions.second_factors import CHANGED, sealing_context
from registry.core.actions.telling_outside import from_audit, listen
from registry.core.hints import hint_by
from registry.core.models import Authenticator, Mail, OutboxMessage, Webhook, WebhookDelivery
from registry.core.tasks import deliver_mail, deliver_webhook, dispatch_outbox

DID = {
    "key.created": ("made a key", "settings_keys"),
    "key.rotated": ("gave a key a successor", "settings_keys"),
    "key.revoked": ("revoked a key", "settings_keys"),
    "key.handed_over": ("handed keys over", "settings_keys"),
    "member.added": ("added a member", "settings_members"),
    "member.changed": ("changed what a member may do", "settings_members"),
    "member.deactivated": ("deactivated a member", "settings_members"),
    "member.left": ("left", "settings_members"),
    "invitation.created": ("made an invitation", "settings_members"),
}


def subscribe_all() -> None:
    """Register all of it; called once, when the app is ready."""
    jobs.register(OutboxMessage, hint_by(dispatch_outbox))
    jobs.register(Mail, hint_by(deliver_mail))
    jobs.register(WebhookDelivery, hint_by(deliver_webhook))
    news.offer(CHANGED, "A second factor of yours was added or removed")
    news.offer(DISABLED, "A webhook was disabled since its endpoint fails")
    for event, (did, page) in DID.items():
        events.offer_audited(event, did, page=page)
    listen(events.AUDITED, from_audit)
    for column in ("sealed_secret", "old_secret"):
        secrets.keep_in(Webhook, column, lambda row: str(row.secret_context))
    secrets.keep_in(Authenticator, "secret", sealing_context)
