"""`manage.py add_judges`: the judges that come with Greenroom, as prompts of a workspace."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from evals_app.actions.judges import add_judges
from registry.core.identity import actor_of_member
from registry.core.models import Member


class Command(BaseCommand):
    """Idempotent: what is there already stays as it is. Suites make the judges that they need by themselves."""

    help = "Make the prompts of the folder judges in a workspace, as its owner, as far as they are not there."

    def add_arguments(self, parser: CommandParser) -> None:
        """--workspace."""
        parser.add_argument("--workspace", required=True, help="its slug, such as acme")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each prompt made."""
        owners = Member.objects.filter(workspace__slug=options["workspace"], role="owner").active()
        owner = owners.select_related("user", "workspace").order_by("pk").first()
        if owner is None:
            raise CommandError(f"There is no workspace {options['workspace']}.")
        for prompt in add_judges(actor_of_member(owner)):
            self.stdout.write(prompt.name)
