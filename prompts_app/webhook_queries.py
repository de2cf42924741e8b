"""What a person says of a webhook, read against what this server and workspace know."""

from django.conf import settings

from prompts_app.environment_queries import environment_names
from registry.core import events
from registry.core.canonical import JSON
from registry.core.webhook_settings import WebhookInput, WebhookSettings, parse_webhook


def read_webhook(data: JSON, workspace_id: int, *, base: WebhookSettings | None = None) -> WebhookInput:
    """`parse_webhook` with the catalogue of events and the workspace's environments; raises Invalid."""
    return parse_webhook(
        data,
        base=base,
        allow=settings.OUTBOUND_ALLOW,
        events={kind.name for kind in events.types()},
        environments=environment_names(workspace_id),
    )
