"""From credentials to an Actor: a key by its token, a person by membership."""

import hmac
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from registry.core.actor import Actor, KeyKind, Role
from registry.core.errors import Forbidden, Unauthenticated
from registry.core.keys import KeyToken
from registry.core.models import ApiKey, Member, User

LAST_USED_EVERY_S = 60


def actor_of_key(authorization: str, *, request_id: str = "", address: str = "") -> Actor:
    """The actor of an `Authorization` header, Bearer or Basic; raises Unauthenticated for whatever is not a usable key."""
    scheme, _, credentials = authorization.partition(" ")
    token = None
    if scheme.lower() == "bearer":
        token = KeyToken.parse(credentials.strip())
    elif scheme.lower() == "basic":
        token = KeyToken.parse_basic(credentials.strip())
    if token is None:
        raise Unauthenticated("key.malformed", "Send `Authorization: Bearer gr_…` with a key of this server.")
    key = ApiKey.objects.usable().select_related("workspace").filter(public_id=token.public_id).first()
    if key is None or not hmac.compare_digest(key.secret_hash, token.hash):
        raise Unauthenticated("key.unknown", "This key is unknown, expired or revoked: ask an admin for a new one.")
    _touch(key)
    return actor_for_key(key, request_id=request_id, address=address)


def actor_for_key(key: ApiKey, *, request_id: str = "", address: str = "") -> Actor:
    """The actor for a key's row; whether the key still opens anything is the caller's question."""
    return Actor(
        kind="key",
        workspace_id=key.workspace_id,
        id=key.pk,
        name=key.name,
        key_kind=KeyKind(key.kind),
        scopes=frozenset(key.scopes),
        environment=key.environment,
        member_id=key.responsible_id,
        request_id=request_id,
        address=address,
    )


def actor_of_member(member: Member, *, request_id: str = "", address: str = "", is_confirmed: bool = True) -> Actor:
    """The actor for a member, whose row and user must be loaded."""
    return Actor(
        kind="member",
        workspace_id=member.workspace_id,
        id=member.pk,
        name=member.user.name,
        role=Role(member.role),
        grants=frozenset(member.grants),
        member_id=member.pk,
        is_confirmed=is_confirmed,
        lacks_factor=member.lacks_factor,
        request_id=request_id,
        address=address,
    )


def as_of_now(actor: Actor) -> Actor:
    """The same caller with the rights they have at this moment; raises Forbidden for one who can no longer act.

    For actions that must not rest on what was true when the request came in: call it under their locks.
    """
    if actor.kind == "key":
        key = ApiKey.objects.usable().filter(pk=actor.id).first()
        fresh = actor_for_key(key, request_id=actor.request_id, address=actor.address) if key else None
    elif actor.kind == "member":
        member = Member.objects.active().select_related("user", "workspace").filter(pk=actor.id).first()
        origin = {"request_id": actor.request_id, "address": actor.address}
        fresh = actor_of_member(member, **origin, is_confirmed=actor.is_confirmed) if member else None
    else:
        fresh = actor
    if fresh is None:
        raise Forbidden("actor.inactive", f"{actor.name} can no longer act here.")
    return fresh


def memberships(user: User) -> list[Member]:
    """The active memberships of a person, by workspace name; one query."""
    return list(
        Member.objects.active().filter(user=user).select_related("workspace", "user").order_by("workspace__slug")
    )


def _touch(key: ApiKey) -> None:
    """Note that the key was used; once a minute is enough, and most calls then write nothing."""
    before = timezone.now() - timedelta(seconds=LAST_USED_EVERY_S)
    if key.last_used_at is None or key.last_used_at < before:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())
