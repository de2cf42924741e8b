"""Invitations: a link that lets whoever holds it into a workspace, once, with the role it names."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from registry.core import audit
from registry.core.actions.people import sign_up
from registry.core.actions.workspaces import require_administration
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Forbidden, Gone, NotFound, invalid_field
from registry.core.identity import actor_of_member
from registry.core.keys import hash_secret, new_link_token
from registry.core.limits import count
from registry.core.models import Invitation, Member, User, Workspace
from registry.core.permissions import Permission, allows, require_confirmed

MOST_DAYS = 30
FOUNDING_LIFETIME = timedelta(days=7)
ATTEMPTS_PER_MINUTE = 30


@dataclass(frozen=True)
class MadeInvitation:
    """An invitation just made: `address` is shown now or never."""

    row: Invitation
    address: str


@dataclass(frozen=True)
class NewPerson:
    """Who somebody without an account says they are."""

    email: str
    name: str
    password: str = field(repr=False)


@transaction.atomic
def create_invitation(actor: Actor, *, role: Role, days: int = 7, note: str = "") -> MadeInvitation:
    """A link for one person, valid for some days; nobody gives a role above their own."""
    require_administration(actor)
    require_confirmed(actor)
    if actor.role is not None and role.rank > actor.role.rank:
        raise Forbidden("actor.role", f"Only an owner can give the role {role}.")
    if not 1 <= days <= MOST_DAYS:
        raise invalid_field("days", "range", f"From 1 to {MOST_DAYS} days.")
    if len(note) > 120 or (note and not note.isprintable()):
        raise invalid_field("note", "format", "Up to 120 printable characters.")
    token = new_link_token()
    row = Invitation.objects.create(
        workspace_id=actor.workspace_id,
        token_hash=hash_secret(token),
        role=role,
        note=note,
        created_by_id=actor.member_id or None,
        expires_at=Now() + timedelta(days=days),
    )
    _record(actor, "invitation.created", row, days=days)
    return MadeInvitation(row, f"{settings.PUBLIC_URL}/join/{token}")


@transaction.atomic
def revoke_invitation(actor: Actor, invitation: Invitation) -> Invitation:
    """End a link before it is used; raises Conflict once it was. Revoking twice is the same as once."""
    require_administration(actor)
    row = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if row.used_at is not None:
        raise Conflict("invitation.used", "Somebody came in by it already: deactivate the member instead.")
    if row.revoked_at is None:
        Invitation.objects.filter(pk=row.pk).update(revoked_at=Now())
        row.refresh_from_db()
        _record(actor, "invitation.revoked", row)
    return row


@transaction.atomic
def found_by_invitation() -> str:
    """The link by which the first person founds the first workspace, empty once there is one; earlier such links end."""
    if Workspace.objects.exists():
        return ""
    Invitation.objects.open().filter(workspace=None).update(revoked_at=Now())
    token = new_link_token()
    Invitation.objects.create(token_hash=hash_secret(token), role=Role.OWNER, expires_at=Now() + FOUNDING_LIFETIME)
    return f"{settings.PUBLIC_URL}/setup/{token}"


def find_invitation(workspace_id: int, pk: int) -> Invitation:
    """One invitation of the workspace; raises NotFound."""
    row = Invitation.objects.in_workspace(workspace_id).filter(pk=pk).first()
    if row is None:
        raise NotFound("invitation.not_found", "This workspace has no such invitation.")
    return row


def peek_invitation(token: str, *, founds: bool = False) -> Invitation | None:
    """What a link would do, without using it; None where it does nothing."""
    rows = Invitation.objects.open().select_related("workspace", "created_by__user")
    row = rows.filter(token_hash=hash_secret(token), workspace__isnull=founds).first()
    return row if row and (founds or _still_given(row)) else None


@transaction.atomic
def accept_invitation(token: str, *, who: User | NewPerson, address: str) -> Member:
    """Come in by a link, as oneself or with a new account; exactly one of two concurrent uses succeeds.

    Raises Gone for a link that does nothing (any more), Conflict for members, and for former ones: an admin lets those in.
    """
    row = claim_invitation(token, address=address)
    workspace = row.workspace
    assert workspace is not None
    user = who if isinstance(who, User) else sign_up(who.email, name=who.name, password=who.password)
    Member.objects.bulk_create(
        [Member(workspace=workspace, user=user, role=row.role, is_active=False)], ignore_conflicts=True
    )
    member = Member.objects.select_for_update(no_key=True, of=("self",)).select_related("user", "workspace")
    found = member.get(workspace=workspace, user=user)
    if found.is_active:
        raise Conflict("member.exists", f"You are in {workspace.name} already.")
    if found.created_at < row.created_at:
        raise Conflict("member.deactivated", "You were in here before: an admin lets you back in on the page Members.")
    Member.objects.filter(pk=found.pk).update(is_active=True)
    found.refresh_from_db()
    Invitation.objects.filter(pk=row.pk).update(used_at=Now(), used_by=user)
    _record(actor_of_member(found, address=address), "invitation.accepted", row)
    return found


def claim_invitation(token: str, *, address: str, founds: bool = False) -> Invitation:
    """The open invitation of a token, locked until commit. Raises Gone where there is none."""
    count(f"invitation:{address}", ATTEMPTS_PER_MINUTE, fail_closed=True)
    rows = Invitation.objects.open().select_for_update(of=("self",)).select_related("workspace", "created_by__user")
    row = rows.filter(token_hash=hash_secret(token), workspace__isnull=founds).first()
    if row is None or not (founds or _still_given(row)):
        raise Gone("invitation.gone", "This link was used, revoked, or is too old: ask for a new one.")
    return row


def _still_given(row: Invitation) -> bool:
    """Whether who made it could make it now: a link is worth no more than the right of its maker."""
    maker = row.created_by
    if maker is None:
        return True
    may = maker.can_act and allows(actor_of_member(maker), Permission.ADMINISTER)
    return may and Role(maker.role).rank >= Role(row.role).rank


def _record(actor: Actor, event: str, row: Invitation, **detail: int) -> None:
    audit.record(
        actor,
        event,
        subject_type="invitation",
        subject_id=row.pk,
        subject_name=row.note or row.role,
        detail={"role": row.role, **detail},
    )
