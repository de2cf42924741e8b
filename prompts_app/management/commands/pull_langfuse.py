"""`manage.py pull_langfuse`: all prompts of a Langfuse server into a workspace, as one of its members."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from prompts_app.actions.imports import import_histories, plan_import
from prompts_app.actions.pulls import checked_source
from prompts_app.management.telling import member_named, tell_plan
from prompts_app.transfer.langfuse import read_pulled
from prompts_app.transfer.pulling import pull_langfuse
from registry.core.errors import RegistryError
from registry.core.fetching import FetchError
from registry.core.identity import actor_of_member
from registry.core.outbound import OutboundError


class Command(BaseCommand):
    """Says what became of each prompt; exits with 1 where something was not taken over. Again: only what is new."""

    help = "Import every version of every prompt of a Langfuse server; nothing goes live, nothing is overwritten."

    def add_arguments(self, parser: CommandParser) -> None:
        """URL, --key-file, --workspace, --email, --preview."""
        parser.add_argument("url", help="such as https://cloud.langfuse.com")
        parser.add_argument("--key-file", type=Path, required=True, help="holds public and secret key, a line each")
        parser.add_argument("--workspace", required=True, help="its slug, such as acme")
        parser.add_argument("--email", required=True, help="the member who imports")
        parser.add_argument("--preview", action="store_true", help="say what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line a prompt; raises CommandError for what is refused."""
        actor = actor_of_member(member_named(options["workspace"], options["email"]))
        try:
            public_key, secret_key = options["key_file"].read_text().split()
        except (OSError, ValueError):
            raise CommandError("The key file must hold the public and the secret key, a line each.") from None
        try:
            source = checked_source(options["url"], public_key, secret_key)
            histories = read_pulled(pull_langfuse(source, allow=settings.OUTBOUND_ALLOW, tell=lambda _: None))
            plan = (plan_import if options["preview"] else import_histories)(actor, histories)
        except RegistryError as refused:
            raise CommandError(refused.detail) from None
        except (FetchError, OutboundError) as error:
            raise CommandError(f"Not read: {error}.") from None
        tell_plan(self.stdout, plan)
