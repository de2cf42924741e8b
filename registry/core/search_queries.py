"""What the core has to be found: people, for those who manage them."""

from collections.abc import Iterable

from django.db.models import Q
from django.urls import reverse

from registry.core.models import Member
from registry.core.permissions import Permission, allows
from registry.core.searching import Asked, Found, Place, offer


def members(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """Members by name or address; one query. Only for who administers."""
    if not asked.words or not allows(place.actor, Permission.ADMINISTER):
        return
    rows = Member.objects.in_workspace(place.actor.workspace_id).select_related("user")
    for word in asked.words:
        rows = rows.filter(Q(user__name__icontains=word) | Q(user__email__icontains=word))
    for row in rows.order_by("-is_active", "user__name")[:most]:
        address = f"{reverse('settings_members', args=[place.slug])}#member-{row.pk}"
        yield Found(row.user.name, address, "user", row.user.email)


def offer_all() -> None:
    """Register the sources; called once, when the app is ready."""
    offer("People", members)
