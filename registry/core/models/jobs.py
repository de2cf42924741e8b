"""Work as rows: a lease, an attempt number, and who holds it."""

from django.db import models
from django.db.models.functions import Now


class JobState(models.TextChoices):
    """Where a job is; `error` is final after the last attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"


class LeasedJob(models.Model):
    """Base of tables whose rows are a queue. A message only hints at a row; `registry.core.jobs` moves it."""

    state = models.CharField(max_length=12, choices=JobState, default=JobState.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    owner = models.CharField(max_length=64, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    hinted_at = models.DateTimeField(db_default=Now())
    not_before = models.DateTimeField(db_default=Now())
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True
        indexes = [
            models.Index(
                fields=["state", "hinted_at"],
                name="%(app_label)s_%(class)s_open",
                condition=models.Q(state__in=["queued", "running"]),
            )
        ]
