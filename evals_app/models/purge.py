"""What was purged, by whom and when; and how long a workspace keeps answers and inputs."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from registry.core.models import AppendOnly, Member, Workspace, append_only_triggers


class Purge(AppendOnly):
    """The decision that some texts go, of a member, or (`by` is None) of the workspace's retention time."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="purges")
    by = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(max_length=254)
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]
        triggers = append_only_triggers()

    def __str__(self) -> str:
        return f"purge {self.pk}"

    @property
    def told(self) -> str:
        """What stands where a text was."""
        return f"Purged on {self.created_at:%Y-%m-%d} by {self.by_name}."


class Purgeable(models.Model):
    """Base of rows whose text can be purged: what is left of it is who did it and its SHA-256 (of UTF-8).

    Of an answer it is that of `output` followed by `tool_calls`. Neither constraint nor index stands behind `purge`, so that
    the column comes to large tables at once; purges are never deleted.
    """

    purge = models.ForeignKey(
        Purge, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    purged_digest = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        abstract = True


class Retention(models.Model):
    """After how many days a workspace's answers, and inputs that no suite asks any more, are purged; null: never.

    Counted from the end of the run, of an input from the end of the last run that asked it.
    """

    LEAST_DAYS: ClassVar[int] = 1
    MOST_DAYS: ClassVar[int] = 3650

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="retention")
    answers_days = models.PositiveSmallIntegerField(null=True)
    inputs_days = models.PositiveSmallIntegerField(null=True)

    def __str__(self) -> str:
        return f"retention of workspace {self.workspace_id}"
