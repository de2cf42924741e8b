"""Where events are sent, what was told, and how each try went."""

import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from registry.core.models.jobs import LeasedJob
from registry.core.models.workspace import Workspace

if TYPE_CHECKING:
    from django_stubs_ext.db.models.manager import RelatedManager


class WebhookFormat(models.TextChoices):
    """What is sent: the event as JSON, or one line that chat tools show."""

    EVENT = "event"
    TEXT = "text"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """Endpoints, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "WebhookQuerySet":
        """One workspace's endpoints."""
        return self.filter(workspace=workspace_id)


class Webhook(models.Model):
    """An endpoint. No `events` are all events; no `environments` are all of them. The secrets are sealed (`core.secrets`).

    `old_secret` signs too until `old_secret_until`. `failing_since` is the first failure after the last success;
    `disabled_at` says when failures ended it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(max_length=120)
    url = models.CharField(max_length=500)
    events = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    environments = ArrayField(models.CharField(max_length=63), default=list, blank=True)
    format = models.CharField(max_length=8, choices=WebhookFormat, default=WebhookFormat.EVENT)
    with_content = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    sealed_secret = models.TextField(default="")
    old_secret = models.TextField(default="", blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_why = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    objects = WebhookQuerySet.as_manager()

    if TYPE_CHECKING:
        deliveries: RelatedManager["WebhookDelivery"]

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def secret_context(self) -> str:
        """What its secrets are bound to."""
        return f"webhook:{self.pk}"

    @property
    def host(self) -> str:
        """Where its address leads, without what else it holds: paths of chat tools are secrets."""
        return urlsplit(self.url).hostname or ""

    @property
    def state(self) -> str:
        """`active`, `paused` by somebody, or `disabled` by its failures."""
        if self.disabled_at is not None:
            return "disabled"
        return "active" if self.is_active else "paused"

    def wants(self, event: str, environment: str) -> bool:
        """Whether it is sent such events; an environment narrows only what happens in one."""
        chosen = not self.events or event in self.events
        return chosen and (not environment or not self.environments or environment in self.environments)


class WebhookEvent(models.Model):
    """Something told to endpoints: recorded once per outbox message, whose `event_id` it has. `data` and `content` are JSON
    text; `content` holds what only endpoints get that chose it."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="webhook_events")
    event_id = models.UUIDField(default=uuid.uuid4, unique=True)
    type = models.CharField(max_length=64)
    environment = models.CharField(max_length=63, blank=True, default="")
    text = models.TextField()
    url = models.CharField(max_length=500, blank=True, default="")
    data = models.TextField()
    content = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"

    @property
    def message_id(self) -> str:
        """The same on every try: sorts in the order of recording, and a restored database never gives it out again."""
        return f"evt_{self.pk:012d}_{self.event_id.hex[:12]}"


class WebhookDelivery(LeasedJob):
    """One event on its way to one endpoint. `tries` counts what was sent since the last time somebody asked for it."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries")
    tries = models.PositiveSmallIntegerField(default=0)

    if TYPE_CHECKING:
        log: RelatedManager["WebhookTry"]

    class Meta(LeasedJob.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["webhook", "event"], name="webhook_delivery_once")]
        indexes = [*LeasedJob.Meta.indexes, models.Index(fields=["webhook", "-id"], name="webhook_delivery_log")]

    def __str__(self) -> str:
        return f"delivery {self.pk}"

    @property
    def is_due(self) -> bool:
        """Whether its next try no longer waits for a time."""
        return self.not_before <= timezone.now()


class WebhookTry(models.Model):
    """One try: what the endpoint answered. `status` 0 is no answer; `answer` is the beginning of its body, cleaned."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="log")
    status = models.PositiveSmallIntegerField(default=0)
    duration_ms = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True, default="")
    answer = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"try {self.pk}: {self.status}"
