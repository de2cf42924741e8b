"""What a workspace must know once its rows came back from a backup."""

from datetime import UTC, datetime

from django.db import transaction

from registry.core import audit
from registry.core.actor import Actor
from registry.core.broadcast import announce
from registry.core.checkpoints import RESTORED
from registry.core.clock import database_now
from registry.core.models import Workspace

# Epochs of restores are told in minutes from here, so that two restores of one backup never share one.
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@transaction.atomic
def mark_restored(workspace: Workspace, *, taken_at: datetime | None) -> int:
    """Raise the epoch, so that no client goes on trusting numbers that may be given out twice; the new epoch.

    The operator's command, so nobody's right is asked. `taken_at` is the moment the rows are of, where that is known.
    """
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    minutes = int((database_now() - FIRST).total_seconds() // 60)
    before, row.epoch = row.epoch, max(row.epoch + 1, minutes)
    row.save(update_fields=["epoch"])
    announce("workspace", workspace_id=row.pk)
    audit.record(
        Actor.system(row.pk, "operator"),
        RESTORED,
        subject_type="workspace",
        subject_id=row.pk,
        subject_name=row.slug,
        detail={"taken_at": taken_at.isoformat() if taken_at else "", "epoch": row.epoch, "epoch_before": before},
    )
    return row.epoch
