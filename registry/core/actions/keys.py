"""API keys: made, rotated, revoked. The secret is in the answer once and nowhere else."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from registry.core import audit
from registry.core.actions.workspaces import require_administration
from registry.core.actor import Actor, KeyKind
from registry.core.broadcast import announce
from registry.core.clock import database_now
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.keys import KeyToken
from registry.core.models import ApiKey, Member
from registry.core.permissions import CI_SCOPES, require_confirmed

MAX_NAME = 120
DEFAULT_SCOPES = CI_SCOPES - {"promote"}


@dataclass(frozen=True)
class IssuedKey:
    """A key just made: `token` is shown now or never."""

    row: ApiKey
    token: KeyToken


@transaction.atomic
def create_key(
    actor: Actor,
    *,
    kind: KeyKind,
    name: str,
    environment: str = "",
    scopes: Iterable[str] | None = None,
    responsible: Member | None = None,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Issue a key; the caller has made sure that `environment` exists. Its responsible member is the maker unless named."""
    require_administration(actor)
    require_confirmed(actor)
    if kind is KeyKind.CI and environment:
        raise invalid_field("environment", "unexpected", "A CI key reads every environment: leave this out.")
    if kind is KeyKind.SERVICE and not environment:
        raise invalid_field("environment", "required", "A service key belongs to one environment: name it.")
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise invalid_field("name", "format", f"A name of 1 to {MAX_NAME} printable characters.")
    if expires_at is not None and expires_at <= database_now():
        raise invalid_field("expires_at", "range", "A time in the future.")
    named = responsible.pk if responsible else actor.member_id
    answerable = Member.objects.select_related("user").get(pk=named)
    if answerable.workspace_id != actor.workspace_id or not answerable.can_act:
        raise invalid_field("responsible", "unknown", "Name an active member of this workspace.")
    token = KeyToken.generate()
    row = ApiKey.objects.create(
        workspace_id=actor.workspace_id,
        kind=kind,
        name=name,
        public_id=token.public_id,
        secret_hash=token.hash,
        last4=token.token[-4:],
        scopes=_scopes(kind, scopes),
        environment=environment,
        responsible=answerable,
        made_by_id=actor.member_id or None,
        expires_at=expires_at,
    )
    _record(actor, "key.created", row)
    announce("key", public_id=row.public_id)
    return IssuedKey(row, token)


@transaction.atomic
def rotate_key(actor: Actor, key: ApiKey) -> IssuedKey:
    """A successor with the same rights, for as long as the old key was made for; that goes on working until it is revoked."""
    require_administration(actor)
    require_confirmed(actor)
    key = _usable(key)
    token = KeyToken.generate()
    row = ApiKey.objects.create(
        workspace_id=key.workspace_id,
        kind=key.kind,
        name=key.name,
        public_id=token.public_id,
        secret_hash=token.hash,
        last4=token.token[-4:],
        scopes=key.scopes,
        environment=key.environment,
        responsible=key.responsible,
        made_by_id=actor.member_id or None,
        expires_at=key.expires_at and database_now() + (key.expires_at - key.created_at),
        rotated_from=key,
    )
    _record(actor, "key.rotated", row)
    return IssuedKey(row, token)


@transaction.atomic
def revoke_key(actor: Actor, key: ApiKey) -> ApiKey:
    """End a key at once; revoking twice is the same as once."""
    require_administration(actor)
    row = ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
    if row.revoked_at is None:
        ApiKey.objects.filter(pk=row.pk).update(revoked_at=Now())
        row.refresh_from_db()
        _record(actor, "key.revoked", row)
        announce("key", public_id=row.public_id)
    return row


def find_key(workspace_id: int, pk: int) -> ApiKey:
    """One key of the workspace; raises NotFound."""
    key = ApiKey.objects.in_workspace(workspace_id).select_related("responsible__user").filter(pk=pk).first()
    if key is None:
        raise NotFound("key.not_found", "This workspace has no such key.")
    return key


def _usable(key: ApiKey) -> ApiKey:
    row = (
        ApiKey.objects.usable()
        .select_for_update(of=("self",), no_key=True)
        .select_related("responsible")
        .filter(pk=key.pk)
        .first()
    )
    if row is None:
        raise Conflict("key.ended", "This key is revoked or expired, or nobody active answers for it: make a new one.")
    return row


def _scopes(kind: KeyKind, scopes: Iterable[str] | None) -> list[str]:
    if kind is KeyKind.SERVICE:
        if scopes:
            raise invalid_field("scopes", "unexpected", "A service key only reads what is live: leave scopes out.")
        return []
    chosen = sorted(DEFAULT_SCOPES if scopes is None else set(scopes))
    if not CI_SCOPES.issuperset(chosen):
        raise invalid_field("scopes", "choice", f"Scopes are: {', '.join(sorted(CI_SCOPES))}.")
    return chosen


def _record(actor: Actor, event: str, key: ApiKey) -> None:
    audit.record(
        actor,
        event,
        subject_type="key",
        subject_id=key.pk,
        subject_name=key.name,
        detail={
            "kind": key.kind,
            "public_id": key.public_id,
            "scopes": list(key.scopes),
            "environment": key.environment,
        },
    )
