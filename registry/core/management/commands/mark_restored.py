"""`manage.py mark_restored`: after a database came back by other means than `restore`."""

from typing import Any

from django.core.management.base import BaseCommand

from registry.core import checkpoints
from registry.core.actions.restoring import mark_restored
from registry.core.models import Workspace


class Command(BaseCommand):
    """For snapshots of disks and PostgreSQL's own recovery, which know nothing of epochs."""

    help = "Raise every workspace's epoch and note the restore: run it before anything is served from a database that went back."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line per workspace."""
        checkpoints.export_checkpoint(kind=checkpoints.RESTORE)
        for workspace in Workspace.objects.order_by("slug"):
            self.stdout.write(f"{workspace.slug}: epoch {mark_restored(workspace, taken_at=None)}")
