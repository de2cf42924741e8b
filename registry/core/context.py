"""What every page's template may use."""

from typing import Any

from django.http import HttpRequest

from registry.core.identity import memberships
from registry.core.models import User
from registry.core.notification_queries import unread_count


def workspace(request: HttpRequest) -> dict[str, Any]:
    """The workspace of the page, the reader's membership in it, their other workspaces and unread notifications."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    here = getattr(request, "workspace", None)
    return {
        "workspace": here,
        "member": getattr(request, "member", None),
        "actor": getattr(request, "actor", None),
        "memberships": getattr(request, "memberships", None) or memberships(user),
        "unread_notifications": unread_count(user, here.pk) if here else 0,
    }
