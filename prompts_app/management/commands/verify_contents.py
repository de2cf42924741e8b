"""`manage.py verify_contents`: hold every version's content against its digest."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from prompts_app.digest_queries import damaged_versions
from registry.core.triggers import missing_triggers


class Command(BaseCommand):
    """Exits with 1 where a version is not what it was, or a trigger that keeps history is not in force."""

    help = "Hold every version's content against its digest, and see that the triggers that keep history are in force."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line; raises CommandError naming what does not hold."""
        damaged = [
            f"{version.prompt.workspace.slug}: {version} is not what its digest says" for version in damaged_versions()
        ]
        found = [*damaged, *(f"the trigger {name} is not in force" for name in missing_triggers())]
        if found:
            raise CommandError("; ".join(found))
        self.stdout.write("every version is what its digest says, every trigger is in force")
