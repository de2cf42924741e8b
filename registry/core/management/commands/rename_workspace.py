"""`manage.py rename_workspace`: another slug for a workspace, and so other addresses."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.core.actions.workspaces import rename_workspace
from registry.core.actor import Actor
from registry.core.errors import RegistryError
from registry.core.models import Workspace


class Command(BaseCommand):
    """Addresses with the slug it had lead nowhere afterwards; keys and what services fetch stay as they are."""

    help = "Give a workspace another slug: its name in addresses."

    def add_arguments(self, parser: CommandParser) -> None:
        """--workspace, --slug."""
        parser.add_argument("--workspace", required=True, help="the slug it has")
        parser.add_argument("--slug", required=True, help="the slug it gets")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what was done; raises CommandError for an unknown workspace, and for a slug that is taken or none."""
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise CommandError(f"There is no workspace {options['workspace']}.")
        try:
            renamed = rename_workspace(Actor.system(workspace.pk, "operator"), slug=options["slug"])
        except RegistryError as refused:
            raise CommandError(" ".join([refused.detail, *(error.message for error in refused.errors)])) from refused
        self.stdout.write(f"{workspace.slug} is {renamed.slug} now.")
