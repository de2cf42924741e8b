"""What somebody wants to import and has not looked at yet."""

from django.db import models
from django.db.models.functions import Now

from registry.core.models import LeasedJob, Member


class ImportSource(models.TextChoices):
    """Where prompts come from."""

    BUNDLE = "bundle"
    PROMPTY = "prompty"
    LANGFUSE = "langfuse"
    TABLE = "table"


class PendingPrompts(LeasedJob):
    """One import of a person that waits to be looked at: a file they sent, or what is being read from another server.

    `text` is what was sent or read. `sealed` holds the keys of the other server while it is read, closed by a key that is
    only in the job's message: neither this table nor the broker alone can open it. It is emptied when the reading ends.
    """

    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=12, choices=ImportSource)
    name = models.CharField(max_length=500, blank=True, default="")
    text = models.TextField(blank=True, default="")
    sealed = models.TextField(blank=True, default="")
    progress = models.CharField(max_length=200, blank=True, default="")
    began_at = models.DateTimeField(db_default=Now())

    class Meta(LeasedJob.Meta):
        abstract = False
        indexes = [
            models.Index(
                fields=["state", "hinted_at"],
                name="prompts_app_import_open",
                condition=models.Q(state__in=["queued", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"import by {self.member_id}"

    @property
    def is_reading(self) -> bool:
        """Whether another server is still being read."""
        return self.state in ("queued", "running")
