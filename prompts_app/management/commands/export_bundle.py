"""`manage.py export_bundle`: all prompts of a workspace as one JSON document on standard output."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from prompts_app.transfer_queries import Wanted, bundle_pieces
from registry.core.models import Workspace


class Command(BaseCommand):
    """The same as `GET /api/v1/export/bundle`, without its network."""

    help = "Print a bundle of a workspace's prompts with all their versions."

    def add_arguments(self, parser: CommandParser) -> None:
        """--workspace, --folder."""
        parser.add_argument("--workspace", required=True, help="its slug, such as acme")
        parser.add_argument("--folder", default="", help="only prompts below it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the bundle piece by piece; raises CommandError where there is no such workspace."""
        workspace = Workspace.objects.filter(slug=options["workspace"]).first()
        if workspace is None:
            raise CommandError(f"There is no workspace {options['workspace']}.")
        for piece in bundle_pieces(workspace, Wanted(options["folder"])):
            self.stdout.write(piece, ending="")
