"""`manage.py create_workspace`: a tenant with its environments, its owner and its first keys."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from prompts_app.actions.environments import create_default_environments
from prompts_app.actions.keys import issue_key
from prompts_app.models import Environment
from registry.core.actions.sessions import create_sign_in_link, sign_in_address
from registry.core.actions.workspaces import create_workspace, find_or_create_user
from registry.core.actor import Actor, KeyKind
from registry.core.errors import RegistryError
from registry.core.models import Member, User, Workspace
from registry.core.naming import is_slug, slug_of
from registry.core.permissions import CI_SCOPES


def sign_in(user: User) -> dict[str, str]:
    """A fresh one-time way in, as commands print it."""
    token = create_sign_in_link(user)
    return {"email": user.email, "sign_in_url": sign_in_address(token), "token": token}


class Command(BaseCommand):
    """Idempotent by slug: a second call prints new tokens and no keys."""

    help = "Create a workspace with environments, an owner and keys; print them as one line of JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """--name, --slug, --owner, --open, --json."""
        parser.add_argument("--name", required=True, help="what it is called, such as acme or 'My Team'")
        parser.add_argument("--slug", default="", help="its name in addresses; left out, it is made from the name")
        parser.add_argument("--owner", required=True, help="the owner's e-mail address")
        parser.add_argument(
            "--open", action="store_true", help="protect nothing, ask nothing of a promotion, let the CI key promote"
        )
        parser.add_argument("--json", action="store_true", help="print JSON (the only form there is)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line of JSON on standard output; raises CommandError for a name or slug that is none."""
        name = options["name"].strip()
        slug = options["slug"] or (name if is_slug(name) else slug_of(name))
        if not slug:
            raise CommandError("Addresses can hold nothing of this name: give its name in addresses, too, with --slug.")
        try:
            with transaction.atomic():
                made = self._create(slug, name, options["owner"], is_open=options["open"])
        except RegistryError as refused:
            words = [f"{error.field}: {error.message}" for error in refused.errors] or [refused.detail]
            raise CommandError(" ".join(words)) from refused
        self.stdout.write(json.dumps(made))

    def _create(self, slug: str, name: str, email: str, *, is_open: bool) -> dict[str, Any]:
        workspace = Workspace.objects.filter(slug=slug).first()
        if workspace is not None:
            owner = self._existing_owner(workspace, email)
            environments = [environment.name for environment in Environment.objects.in_workspace(workspace.pk)]
            return {"workspace": slug, "environments": environments, "owner": sign_in(owner)}
        owner = find_or_create_user(email)
        workspace, member = create_workspace(slug, name=name, owner=owner)
        actor = Actor.system(workspace.pk, "operator")
        environments = [environment.name for environment in create_default_environments(actor, is_open=is_open)]
        scopes = CI_SCOPES if is_open else None
        ci = issue_key(actor, kind=KeyKind.CI, name="CI", scopes=scopes, responsible=member).token
        service = {
            environment: issue_key(
                actor, kind=KeyKind.SERVICE, name=f"Service {environment}", environment=environment, responsible=member
            ).token.token
            for environment in environments
        }
        public_key, secret_key = ci.basic
        return {
            "workspace": slug,
            "environments": environments,
            "owner": sign_in(owner),
            "keys": {"ci": ci.token, "service": service},
            "langfuse": {"public_key": public_key, "secret_key": secret_key},
        }

    def _existing_owner(self, workspace: Workspace, email: str) -> User:
        members = Member.objects.in_workspace(workspace.pk).select_related("user")
        member = members.of_address(email).first() or members.filter(role="owner").order_by("pk")[0]
        return member.user
