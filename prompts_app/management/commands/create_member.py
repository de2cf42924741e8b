"""`manage.py create_member`: let a person into a workspace."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from prompts_app.management.commands.create_workspace import sign_in
from registry.core.actions.workspaces import add_member, change_member, find_or_create_user
from registry.core.actor import Actor, Role
from registry.core.models import Member, Workspace


class Command(BaseCommand):
    """Idempotent by address: a second call sets the role and prints a new token."""

    help = "Add a member with a role, or change it; print a sign-in link as one line of JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """--workspace, --email, --role, --json."""
        parser.add_argument("--workspace", required=True)
        parser.add_argument("--email", required=True)
        parser.add_argument("--role", required=True, choices=[str(role) for role in Role])
        parser.add_argument("--json", action="store_true", help="print JSON (the only form there is)")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line of JSON on standard output; raises CommandError for an unknown workspace."""
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise CommandError(
                f"There is no workspace {options['workspace']}: make it with {settings.MANAGE_COMMAND} create_workspace."
            )
        actor, role = Actor.system(workspace.pk, "operator"), Role(options["role"])
        user = find_or_create_user(options["email"])
        member = Member.objects.in_workspace(workspace.pk).filter(user=user).first()
        if member is None or not member.is_active:
            add_member(actor, user, role=role)
        elif member.role != role:
            change_member(actor, member, role=role)
        link = sign_in(user)
        line = {"email": user.email, "role": role, "sign_in_url": link["sign_in_url"], "token": link["token"]}
        self.stdout.write(json.dumps(line))
