"""Workspaces and the people in them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from registry.core import audit, models
from registry.core.actions.sessions import create_sign_in_link, has_open_link
from registry.core.actor import Actor, Role
from registry.core.broadcast import announce
from registry.core.canonical import JSON, is_storable
from registry.core.errors import Conflict, Forbidden, NotFound, invalid_field
from registry.core.models import ApiKey, Member, User, Workspace
from registry.core.naming import MOST_NAME, MOST_SLUG, is_name, is_slug
from registry.core.permissions import Permission, require, require_confirmed, require_person

GRANTS = frozenset({"override"})


def find_or_create_user(email: str, *, name: str = "") -> User:
    """The person with that address, made without a password when there is none yet. Raises Invalid for an address that is
    taken for another one's."""
    found = User.objects.by_address(email)
    if found is not None:
        return found
    user = User(email=email, name=name or email.partition("@")[0].replace(".", " ").title())
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # somebody else made them a moment ago, or the database takes two addresses for one
        found = User.objects.by_address(email)
        if found is None:
            raise invalid_field("email", "taken", "This address cannot be told from another one's.") from None
        return found
    return user


@transaction.atomic
def create_workspace(slug: str, *, name: str, owner: User) -> tuple[Workspace, Member]:
    """A new tenant and its owner; the operator's command, so nobody's right is asked. Links to found the first one end. Raises
    Invalid for a slug that addresses cannot hold, and for a name that pages cannot show."""
    _refuse_no_slug(slug)
    if not is_name(name):
        raise invalid_field("workspace", "format", f"A name of 1 to {MOST_NAME} printable characters.")
    workspace = Workspace.objects.create(slug=slug, name=name)
    member = Member.objects.create(workspace=workspace, user=owner, role=Role.OWNER)
    models.Invitation.objects.open().filter(workspace=None).update(revoked_at=Now())
    audit.record(
        Actor.system(workspace.pk, "operator"),
        "workspace.created",
        subject_type="workspace",
        subject_id=workspace.pk,
        subject_name=slug,
        detail={"owner": owner.email},
    )
    return workspace, member


@transaction.atomic
def rename_workspace(actor: Actor, *, slug: str) -> Workspace:
    """Give a workspace another slug, and so every page of it another address. Raises Conflict for one that is taken."""
    require_administration(actor)
    _refuse_no_slug(slug)
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    before, workspace.slug = workspace.slug, slug
    try:
        with transaction.atomic():
            workspace.save(update_fields=["slug"])
    except IntegrityError:
        raise Conflict("workspace.exists", f"There is a workspace {slug} already.") from None
    audit.record(
        actor,
        "workspace.renamed",
        subject_type="workspace",
        subject_id=workspace.pk,
        subject_name=slug,
        detail={"slug_before": before, "slug": slug},
    )
    return workspace


@transaction.atomic
def add_member(actor: Actor, user: User, *, role: Role, grants: Iterable[str] = ()) -> Member:
    """Let a person in, or back in; raises Conflict when they are a member already."""
    require_administration(actor)
    require_confirmed(actor)
    _refuse_rise_above(actor, role)
    granted = _known(grants)
    Member.objects.bulk_create(
        [Member(workspace_id=actor.workspace_id, user=user, role=role, is_active=False)], ignore_conflicts=True
    )
    member = Member.objects.select_for_update(no_key=True).get(workspace_id=actor.workspace_id, user=user)
    if member.is_active:
        raise Conflict("member.exists", f"{user.email} is a member already: change their role instead.")
    member.role, member.grants, member.is_active = role, granted, True
    member.save()
    _announce_keys(member)
    _record(actor, "member.added", member, before="", after=role)
    return member


@dataclass(frozen=True)
class Invitation:
    """A member let in; `token` is a one-time way in, empty for people who can sign in already."""

    member: Member
    token: str = field(repr=False)


@transaction.atomic
def invite(actor: Actor, email: str, *, role: Role, grants: Iterable[str] = ()) -> Invitation:
    """Let somebody in by address. Only who is new here gets a link.

    A link to an account that was used before, or that belongs to another workspace too, would let its holder act as
    that person: they sign in as they do already. Raises Conflict `member.unclaimed` while a link that another workspace
    got is open: whoever holds it there would come in here.
    """
    require_administration(actor)
    require_confirmed(actor)
    _refuse_rise_above(actor, role)
    # Under lock: two workspaces that let the same address in at the same time must see each other.
    user = User.objects.select_for_update(no_key=True).get(pk=find_or_create_user(email).pk)
    is_elsewhere = user.memberships.exclude(workspace_id=actor.workspace_id).exists()
    is_used = user.last_login is not None or user.has_usable_password()
    if is_elsewhere and not is_used and has_open_link(user):
        raise Conflict(
            "member.unclaimed",
            "Another workspace has just let this address in, and nobody has signed in with it yet: ask them to do that first.",
        )
    member = add_member(actor, user, role=role, grants=grants)
    return Invitation(member, "" if is_used or is_elsewhere else create_sign_in_link(user))


@transaction.atomic
def change_member(
    actor: Actor,
    member: Member,
    *,
    role: Role | None = None,
    grants: Iterable[str] | None = None,
    is_active: bool | None = None,
) -> Member:
    """Change role, grants or activity; the last owner can neither be demoted nor deactivated. Who only ends somebody's
    membership is not asked who they are: that may have to be quick."""
    require_administration(actor)
    if is_active is not False or role is not None or grants is not None:
        require_confirmed(actor)
    member = _locked(member)
    before = member.role
    new_role = role or Role(member.role)
    _refuse_rise_above(actor, max(new_role, Role(member.role), key=lambda one: one.rank))
    stays_owner = new_role is Role.OWNER and (member.is_active if is_active is None else is_active)
    if member.role == Role.OWNER and not stays_owner:
        _refuse_last_owner(member)
    member.role = new_role
    member.grants = member.grants if grants is None else _known(grants)
    member.is_active = member.is_active if is_active is None else is_active
    member.save(update_fields=["role", "grants", "is_active"])
    event = "member.deactivated" if is_active is False else "member.changed"
    _record(actor, event, member, before=before, after=new_role)
    if is_active is not None:
        _announce_keys(member)
    return member


@transaction.atomic
def leave_workspace(actor: Actor, member: Member) -> Member:
    """Go, of one's own will; the last owner cannot. An admin can let them back in."""
    require_person(actor)
    if actor.member_id != member.pk:
        raise Forbidden("actor.other", "Everybody leaves for themselves: an admin can deactivate somebody else.")
    member = _locked(member)
    if member.role == Role.OWNER:
        _refuse_last_owner(member)
    member.is_active = False
    member.save(update_fields=["is_active"])
    _record(actor, "member.left", member, before=member.role, after=member.role)
    _announce_keys(member)
    return member


@transaction.atomic
def hand_over_keys(actor: Actor, member: Member, *, to: Member) -> list[ApiKey]:
    """Let somebody else answer for a member's keys, so that the keys work on when that member goes."""
    require_administration(actor)
    if to.workspace_id != actor.workspace_id or not to.can_act or to.pk == member.pk:
        raise invalid_field("to", "unknown", "Name another active member of this workspace.")
    keys = list(
        ApiKey.objects.usable()
        .select_for_update(of=("self",), no_key=True)
        .filter(responsible=member, workspace=actor.workspace_id)
    )
    ApiKey.objects.filter(pk__in=[key.pk for key in keys]).update(responsible=to)
    for key in keys:
        detail: dict[str, JSON] = {"from": member.user.email, "to": to.user.email}
        audit.record(
            actor, "key.handed_over", subject_type="key", subject_id=key.pk, subject_name=key.name, detail=detail
        )
    return keys


@transaction.atomic
def require_second_factor(actor: Actor, *, required: bool) -> Workspace:
    """Ask a second factor of reviewers and above, or no longer; who asks it of others has one."""
    require_administration(actor)
    require_confirmed(actor)
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    if workspace.require_mfa == required:
        return workspace
    if required and not User.objects.filter(memberships=actor.member_id, has_second_factor=True).exists():
        raise Conflict("factor.none", "Set up a second factor for yourself first: you would be the first to lack it.")
    workspace.require_mfa = required
    workspace.save(update_fields=["require_mfa"])
    audit.record(
        actor,
        "workspace.second_factor_required" if required else "workspace.second_factor_waived",
        subject_type="workspace",
        subject_id=workspace.pk,
        subject_name=workspace.slug,
    )
    return workspace


def find_member(workspace_id: int, email: str) -> Member:
    """The member with that address; raises NotFound."""
    rows = Member.objects.in_workspace(workspace_id).select_related("user", "workspace")
    member = rows.of_address(email).first() if is_storable(email) else None
    if member is None:
        raise NotFound("member.not_found", "No member of this workspace has that address.")
    return member


def require_administration(actor: Actor) -> None:
    """Raise Forbidden unless the actor administers the workspace; the operator's own commands do."""
    if actor.kind != "system":
        require(actor, Permission.ADMINISTER)


def _locked(member: Member) -> Member:
    """The row under lock, together with every owner's: two owners who leave at once must see each other."""
    owners_too = Member.objects.filter(Q(pk=member.pk) | Q(workspace_id=member.workspace_id, role=Role.OWNER))
    # Not FOR UPDATE: rows that refer to a member are checked at commit, and would wait for this lock in a circle.
    rows = owners_too.select_related("user").order_by("pk").select_for_update(of=("self",), no_key=True)
    return next(row for row in rows if row.pk == member.pk)


def _announce_keys(member: Member) -> None:
    """A key opens nothing while nobody active answers for it: whoever holds one in memory looks again."""
    for public_id in ApiKey.objects.filter(responsible=member).values_list("public_id", flat=True):
        announce("key", public_id=public_id)


def _refuse_rise_above(actor: Actor, role: Role) -> None:
    if actor.role is not None and role.rank > actor.role.rank:
        raise Forbidden("actor.role", f"Only an owner can give or change the role {role}.")


def _refuse_no_slug(slug: str) -> None:
    if not is_slug(slug):
        raise invalid_field("slug", "format", f"1 to {MOST_SLUG} letters a to z, digits, hyphens and underscores.")


def _refuse_last_owner(member: Member) -> None:
    owners = Member.objects.active().filter(workspace_id=member.workspace_id, role=Role.OWNER)
    if not owners.exclude(pk=member.pk).exists():
        raise Conflict("member.last_owner", "A workspace keeps an owner: make somebody else an owner first.")


def _known(grants: Iterable[str]) -> list[str]:
    granted = sorted(set(grants))
    if not GRANTS.issuperset(granted):
        raise invalid_field("grants", "choice", f"Grants are: {', '.join(sorted(GRANTS))}.")
    return granted


def _record(actor: Actor, event: str, member: Member, *, before: str, after: str) -> None:
    audit.record(
        actor,
        event,
        subject_type="member",
        subject_id=member.pk,
        subject_name=member.user.email,
        detail={"role_before": before, "role": after, "grants": list(member.grants), "active": member.is_active},
    )
