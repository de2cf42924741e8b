"""Lines in people's inboxes."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models.functions import Now

from registry.core.models import Notification, User


def notify(workspace_id: int, user_ids: Iterable[int], *, event_id: UUID, topic: str, text: str, url: str) -> None:
    """Tell each person once per event, however often this is called for it."""
    Notification.objects.bulk_create(
        [
            Notification(workspace_id=workspace_id, user_id=pk, event_id=event_id, topic=topic, text=text, url=url)
            for pk in sorted(set(user_ids))
        ],
        ignore_conflicts=True,
    )


def mark_read(user: User, workspace_id: int) -> int:
    """Empty the unread list; returns how many there were."""
    return Notification.objects.filter(user=user, workspace_id=workspace_id, read_at=None).update(read_at=Now())
