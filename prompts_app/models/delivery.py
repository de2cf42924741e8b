"""Processes that answer services from memory, and how much of what changed each of them has seen."""

from django.db import models
from django.db.models.functions import Now

from prompts_app.models.environment import Environment


class DeliveryProcess(models.Model):
    """A process that listens for changes. `heartbeat_at` is database time, moved on only while changes do arrive."""

    id = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["heartbeat_at"], name="delivery_process_alive")]

    def __str__(self) -> str:
        return str(self.pk)


class DeliverySeen(models.Model):
    """The newest revision of an environment whose change a process has dropped from its memory."""

    process = models.ForeignKey(DeliveryProcess, on_delete=models.DB_CASCADE, related_name="seen")
    environment = models.ForeignKey(Environment, on_delete=models.DO_NOTHING, related_name="+")
    revision = models.PositiveBigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["process", "environment"], name="delivery_seen_once")]

    def __str__(self) -> str:
        return f"{self.process_id} saw {self.environment_id} at {self.revision}"
