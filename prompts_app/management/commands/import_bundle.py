"""`manage.py import_bundle`: a bundle of any size into a workspace, as one of its members."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from prompts_app.actions.imports import import_histories, plan_import
from prompts_app.management.telling import member_named, tell_plan
from prompts_app.transfer.bundle import read_bundle
from registry.core.errors import RegistryError
from registry.core.identity import actor_of_member


class Command(BaseCommand):
    """Says what became of each prompt; exits with 1 where something was not taken over."""

    help = "Import a bundle; what is here stays as it is, nothing goes live."

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE, --workspace, --email, --preview."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--workspace", required=True, help="its slug, such as acme")
        parser.add_argument("--email", required=True, help="the member who imports")
        parser.add_argument("--preview", action="store_true", help="say what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line a prompt; raises CommandError for what is refused."""
        actor = actor_of_member(member_named(options["workspace"], options["email"]))
        try:
            histories = read_bundle(options["file"].read_bytes())
            carry_out = plan_import if options["preview"] else import_histories
            plan = carry_out(actor, histories)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from None
        except RegistryError as refused:
            places = "".join(f"\n  {one.field}: {one.message}" for one in refused.errors)
            raise CommandError(f"{refused.detail}{places}") from None
        tell_plan(self.stdout, plan)
