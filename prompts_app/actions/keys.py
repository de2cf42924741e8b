"""Keys bound to an environment of this app."""

from collections.abc import Iterable
from datetime import datetime

from prompts_app.actions.environments import find_environment
from registry.core.actions.keys import IssuedKey, create_key
from registry.core.actions.workspaces import require_administration
from registry.core.actor import Actor, KeyKind
from registry.core.errors import NotFound, invalid_field
from registry.core.models import Member


def issue_key(
    actor: Actor,
    *,
    kind: KeyKind,
    name: str,
    environment: str = "",
    scopes: Iterable[str] | None = None,
    responsible: Member | None = None,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """`create_key` after making sure that the environment exists; raises Invalid naming the field."""
    require_administration(actor)
    if environment:
        try:
            find_environment(actor.workspace_id, environment)
        except NotFound:
            raise invalid_field("environment", "unknown", f"This workspace has no environment {environment}.") from None
    return create_key(
        actor,
        kind=kind,
        name=name,
        environment=environment,
        scopes=scopes,
        responsible=responsible,
        expires_at=expires_at,
    )
