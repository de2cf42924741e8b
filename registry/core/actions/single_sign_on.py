"""People whom the organisation's own sign-in vouches for, and the roles it gives them."""

from dataclasses import dataclass
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from registry.core import audit
from registry.core.actions.notifications import notify
from registry.core.actions.second_factors import CHANGED
from registry.core.actions.sessions import end_sessions
from registry.core.actions.workspaces import add_member, change_member, find_or_create_user
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Unauthenticated
from registry.core.models import ExternalIdentity, Member, SignInLink, User, Workspace
from registry.core.oidc import Claims

log = structlog.get_logger(__name__)
WHO = "single sign-on"
SAID_OF_TYING = "You sign in at your organisation's server now; the password that your account had was removed."


@dataclass(frozen=True)
class Arrival:
    """Who came. Not `is_tied`: an account with a second factor that single sign-on has not vouched for before; `tie` it once
    that factor was right."""

    user: User
    is_tied: bool


@transaction.atomic
def admit(claims: Claims, *, address: str) -> Arrival:
    """The person of these claims, with the roles that they give as of now. Raises Unauthenticated for whom nobody let in.

    Somebody new comes in only with a role; an account that is there already is found by its verified address, once. Nobody
    has verified that address here: whoever made the account may have taken it for a colleague's, and waits. So what it was
    signed in by before opens nothing any more; where that is a second factor, it has to be shown first.
    """
    roles = roles_of(claims)
    known = ExternalIdentity.objects.select_related("user").filter(issuer=claims.issuer, subject=claims.subject).first()
    user = known.user if known else User.objects.by_address(claims.email)
    if user is None and roles:
        user = find_or_create_user(claims.email, name=claims.name)
    if user and known is None and ExternalIdentity.objects.filter(user=user, issuer=claims.issuer).exists():
        user = None  # an address that changed hands is not the person it once was
    if user is None or not user.is_active:
        raise _refused(user, address)
    if known is None and user.has_second_factor:
        return Arrival(user, is_tied=False)
    if known is None:
        _forget_ways_in(user)
        tie(user, claims, address=address)
    else:
        _give(user, roles)
    return Arrival(user, is_tied=True)


@transaction.atomic
def tie(user: User, claims: Claims, *, address: str) -> None:
    """From now on the account is that of these claims, with the roles they give; raises Unauthenticated where either belongs
    to another one by now."""
    mine = ExternalIdentity(user=user, issuer=claims.issuer, subject=claims.subject)
    ExternalIdentity.objects.bulk_create([mine], ignore_conflicts=True)
    if not ExternalIdentity.objects.filter(user=user, issuer=claims.issuer, subject=claims.subject).exists():
        raise _refused(user, address)
    _give(user, roles_of(claims))
    for member in Member.objects.active().filter(user=user):
        audit.record(
            Actor.system(member.workspace_id, WHO),
            "member.single_sign_on_tied",
            subject_type="member",
            subject_id=member.pk,
            subject_name=user.email,
        )


def roles_of(claims: Claims) -> dict[str, Role]:
    """The highest role in each workspace that the person's groups give."""
    found: dict[str, Role] = {}
    for workspace, group, role in settings.OIDC_ROLES:
        given = Role(role)
        if group in claims.groups and (workspace not in found or given.rank > found[workspace].rank):
            found[workspace] = given
    return found


def _forget_ways_in(user: User) -> None:
    """Password, sessions and open links of an account end; its person is told of a password that went."""
    had_password = user.has_usable_password()
    user.set_unusable_password()
    user.save(update_fields=["password"])
    end_sessions(user)
    SignInLink.objects.filter(user=user, used_at=None).update(used_at=Now())
    if had_password:
        for member in Member.objects.active().filter(user=user).select_related("workspace"):
            url = reverse("settings_profile", args=[member.workspace.slug])
            notify(member.workspace_id, [user.pk], event_id=uuid4(), topic=CHANGED, text=SAID_OF_TYING, url=url)


def _refused(user: User | None, address: str) -> Unauthenticated:
    log.warning("sign_in.refused", method="sso", user_id=user.pk if user else None, address=address)
    return Unauthenticated("session.refused", "You are not a member here yet: ask an admin of your workspace.")


def _give(user: User, roles: dict[str, Role]) -> None:
    """Roles follow the groups in every workspace that OIDC_ROLES names; elsewhere they stay as they are."""
    for workspace in Workspace.objects.filter(slug__in={row[0] for row in settings.OIDC_ROLES}):
        actor, role = Actor.system(workspace.pk, WHO), roles.get(workspace.slug)
        member = Member.objects.filter(workspace=workspace, user=user).first()
        if role is not None and (member is None or not member.is_active):
            add_member(actor, user, role=role, grants=member.grants if member else ())
        elif member is not None and member.is_active and member.role != role:
            try:
                with transaction.atomic():
                    change_member(actor, member, role=role, is_active=None if role else False)
            except Conflict:
                log.warning("sso.last_owner_stays", user_id=user.pk, workspace_id=workspace.pk)
