"""The first person on a fresh installation: an account, a workspace with its stages, and its ownership, by a one-time link."""

from django.db import transaction
from django.db.models.functions import Now

from prompts_app.actions.environments import create_default_environments
from registry.core.actions.invitations import NewPerson, claim_invitation
from registry.core.actions.people import sign_up
from registry.core.actions.workspaces import create_workspace
from registry.core.actor import Actor
from registry.core.models import Invitation, Member
from registry.core.naming import slug_of


@transaction.atomic
def found_workspace(token: str, *, who: NewPerson, name: str, address: str) -> Member:
    """Use the founding link; exactly one of two concurrent uses succeeds. Raises Gone for a link that does nothing."""
    invitation = claim_invitation(token, address=address, founds=True)
    owner = sign_up(who.email, name=who.name, password=who.password)
    Invitation.objects.filter(pk=invitation.pk).update(used_at=Now(), used_by=owner)
    workspace, member = create_workspace(slug_of(name) or "main", name=name.strip(), owner=owner)
    create_default_environments(Actor.system(workspace.pk, "operator"))
    return member
