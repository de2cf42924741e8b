"""What happened (audit), what must still be told (outbox), and what was already answered (idempotency)."""

import json
import uuid
from typing import cast

from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from registry.core.canonical import JSON
from registry.core.models.append_only import AppendOnly, append_only_triggers
from registry.core.models.jobs import LeasedJob
from registry.core.models.workspace import User, Workspace


class AuditHead(models.Model):
    """The end of a workspace's chain; locking it puts the chain in one order."""

    workspace = models.OneToOneField(Workspace, primary_key=True, on_delete=models.PROTECT, related_name="audit_head")
    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="")

    def __str__(self) -> str:
        return f"{self.workspace_id}#{self.sequence}"


class AuditEvent(AppendOnly):
    """One link of the chain: `hash = sha256(previous hash ‖ canonical row)`; `detail` is canonical JSON text."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="audit_events")
    sequence = models.PositiveBigIntegerField()
    event = models.CharField(max_length=64)
    actor_kind = models.CharField(max_length=8)
    actor_id = models.BigIntegerField()
    actor_name = models.CharField(max_length=254)
    subject_type = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=64)
    subject_name = models.TextField()
    before = models.CharField(max_length=64, blank=True, default="")
    after = models.CharField(max_length=64, blank=True, default="")
    detail = models.TextField(default="{}")
    request_id = models.CharField(max_length=64, blank=True, default="")
    address = models.CharField(max_length=64, blank=True, default="")
    at = models.DateTimeField()
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-sequence"]
        triggers = append_only_triggers()
        constraints = [models.UniqueConstraint(fields=["workspace", "sequence"], name="audit_sequence_once")]

    def __str__(self) -> str:
        return f"{self.workspace_id}#{self.sequence} {self.event}"

    @property
    def facts(self) -> dict[str, JSON]:
        """Its detail, by name."""
        return cast("dict[str, JSON]", json.loads(self.detail))


class OutboxMessage(LeasedJob):
    """Something to tell after the commit, at least once; `payload` is JSON text, `event_id` lets receivers drop repeats."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="outbox")
    event_id = models.UUIDField(default=uuid.uuid4, unique=True)
    topic = models.CharField(max_length=64)
    payload = models.TextField()

    class Meta(LeasedJob.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"{self.topic} {self.event_id}"


class IdempotencyRecord(models.Model):
    """The answer already given to a POST with that `Idempotency-Key`; kept for 24 hours."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    caller = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(default="")
    headers = models.TextField(default="{}")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "caller", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Lines, by the questions asked of them."""

    def news(self) -> "NotificationQuerySet":
        """Those that told their reader something: what people did themselves was read from the moment it was recorded."""
        return self.exclude(read_at=F("created_at"))


class Notification(models.Model):
    """A line in somebody's inbox; one per event, person and channel."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    event_id = models.UUIDField()
    channel = models.CharField(max_length=16, default="inbox")
    topic = models.CharField(max_length=64)
    text = models.TextField()
    url = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["event_id", "user", "channel"], name="notification_once_per_channel")
        ]
        indexes = [models.Index(fields=["user", "workspace", "read_at"], name="notification_inbox")]

    def __str__(self) -> str:
        return self.text


class Mail(LeasedJob):
    """A notification on its way by e-mail: one per event and person, sent at most once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    event_id = models.UUIDField()
    subject = models.CharField(max_length=200)
    text = models.TextField()

    class Meta(LeasedJob.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["event_id", "user"], name="mail_once_per_event")]

    def __str__(self) -> str:
        return f"mail {self.pk}"
