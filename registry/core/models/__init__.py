"""Tables of the core."""

from registry.core.models.append_only import AppendOnly, append_only_models, append_only_triggers
from registry.core.models.jobs import JobState, LeasedJob
from registry.core.models.ledger import AuditEvent, AuditHead, IdempotencyRecord, Mail, Notification, OutboxMessage
from registry.core.models.second_factors import Authenticator, ExternalIdentity, Passkey, RecoveryCode
from registry.core.models.webhook import Webhook, WebhookDelivery, WebhookEvent, WebhookFormat, WebhookTry
from registry.core.models.workspace import ApiKey, Invitation, Member, PersonSession, SignInLink, User, Workspace

__all__ = [
    "ApiKey",
    "AppendOnly",
    "AuditEvent",
    "AuditHead",
    "Authenticator",
    "ExternalIdentity",
    "IdempotencyRecord",
    "Invitation",
    "JobState",
    "LeasedJob",
    "Mail",
    "Member",
    "Notification",
    "OutboxMessage",
    "Passkey",
    "PersonSession",
    "RecoveryCode",
    "SignInLink",
    "User",
    "Webhook",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookFormat",
    "WebhookTry",
    "Workspace",
    "append_only_models",
    "append_only_triggers",
]
