"""`manage.py purge`: whatever in a workspace holds a text, as one of its admins."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evals_app.actions.purging import checked_forms, erase_text
from evals_app.purge_queries import find_text
from prompts_app.management.telling import member_named
from registry.core.errors import RegistryError
from registry.core.identity import actor_of_member


class Command(BaseCommand):
    """The text is read from standard input, so that no history of a shell keeps it."""

    help = "Take away whatever in a workspace holds a text, read from standard input; its SHA-256 stays."

    def add_arguments(self, parser: CommandParser) -> None:
        """--workspace, --email, --reason, --also-needed, --preview."""
        parser.add_argument("--workspace", required=True, help="its slug, such as acme")
        parser.add_argument("--email", required=True, help="the admin who purges")
        parser.add_argument("--reason", default="", help="kept for good: name nobody")
        parser.add_argument("--also-needed", action="store_true", help="take also what gates still rest on")
        parser.add_argument("--preview", action="store_true", help="say what holds it, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each kind of row; raises CommandError for what is refused."""
        actor = actor_of_member(member_named(options["workspace"], options["email"]))
        text = sys.stdin.readline().rstrip("\r\n")
        try:
            found = find_text(actor.workspace_id, checked_forms(text))
            gone = found.gone
            if not options["preview"]:
                gone = erase_text(actor, text, reason=options["reason"], also_needed=options["also_needed"]).gone
        except RegistryError as refused:
            raise CommandError(refused.errors[0].message if refused.errors else refused.detail) from None
        for name, count in gone.items():
            self.stdout.write(f"{name}: {count} {'to purge' if options['preview'] else 'purged'}")
        for name, count in found.kept.items():
            self.stdout.write(f"{name}: {count} stay")
        if options["preview"] and found.needed:
            self.stdout.write(f"gates rest on {', '.join(found.needed)}: --also-needed takes it too")
