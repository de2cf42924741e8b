"""People whom the organisation's own sign-in vouches for, and the roles it gives them."""

import structlog
from django.conf import settings
from django.db import transaction

from registry.core.actions.workspaces import add_member, change_member, find_or_create_user
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Unauthenticated
from registry.core.models import ExternalIdentity, Member, User, Workspace
from registry.core.oidc import Claims

log = structlog.get_logger(__name__)
WHO = "single sign-on"


@transaction.atomic
def admit(claims: Claims, *, address: str) -> User:
    """The person of these claims, with the roles that they give as of now. Raises Unauthenticated for whom nobody let in.

    Somebody new comes in only with a role; an account that is there already is found by its verified address, once.
    """
    roles = roles_of(claims)
    known = ExternalIdentity.objects.select_related("user").filter(issuer=claims.issuer, subject=claims.subject).first()
    user = known.user if known else User.objects.filter(email__iexact=claims.email).first()
    if user is None and roles:
        user = find_or_create_user(claims.email, name=claims.name)
    if user and known is None and ExternalIdentity.objects.filter(user=user, issuer=claims.issuer).exists():
        user = None  # an address that changed hands is not the person it once was
    if user is None or not user.is_active:
        log.warning("sign_in.refused", method="sso", user_id=user.pk if user else None, address=address)
        raise Unauthenticated("session.refused", "You are not a member here yet: ask an admin of your workspace.")
    if known is None:
        ExternalIdentity.objects.create(user=user, issuer=claims.issuer, subject=claims.subject)
    _give(user, roles)
    return user


def roles_of(claims: Claims) -> dict[str, Role]:
    """The highest role in each workspace that the person's groups give."""
    found: dict[str, Role] = {}
    for workspace, group, role in settings.OIDC_ROLES:
        given = Role(role)
        if group in claims.groups and (workspace not in found or given.rank > found[workspace].rank):
            found[workspace] = given
    return found


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
