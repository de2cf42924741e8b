"""`manage.py rotate_encryption_keys`: seal every stored secret under the newest of ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.core.actions.sealing import rotate_encryption_keys


class Command(BaseCommand):
    """Exits with 1 where a secret cannot be opened, after all the others are sealed again."""

    help = "Seal every stored secret again under the newest of ENCRYPTION_KEYS; may be stopped and run again."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many; raises CommandError naming what no key here opens."""
        done = rotate_encryption_keys()
        self.stdout.write(f"{done.sealed} sealed again, {done.newest_already} were under the newest key already")
        for line in done.unreadable:
            self.stderr.write(line)
        if done.unreadable:
            raise CommandError(f"{len(done.unreadable)} cannot be opened: keep the keys they need, or enter them again")
        self.stdout.write("Every other key may be removed from ENCRYPTION_KEYS now.")
