"""`migrate` as the role that owns the tables, followed by the grants of the role that runs the application."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate as django_migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

from registry.core.dbroles import grant_application_role
from registry.core.migrating import WholeExecutor

# Whoever waits for a lock holds up everybody who comes after: a migration gives up instead, and comes back when they are through.
LOCK_TIMEOUT = "2s"
TRIES, PAUSE_S = 30, 2.0
# Django's command has no other place to say which executor it uses.
django_migrate.MigrationExecutor = WholeExecutor  # type: ignore[attr-defined]


class Command(django_migrate.Command):
    """Django's migrate, on the owner's connection, which waits two seconds for a lock, thirty times, and makes way between."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then grant. Raises CommandError where a table was in use each time."""
        if options["database"] == "default" and settings.DATABASE_HAS_TWO_ROLES:
            options["database"] = "owner"
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
        try:
            self._until_unlocked(*args, **options)
        finally:
            if connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout")
        if settings.DATABASE_HAS_TWO_ROLES:
            grant_application_role(connections["owner"])

    def _until_unlocked(self, *args: Any, **options: Any) -> None:
        """A migration that met a lock has changed nothing; those before it are done."""
        for number in range(1, TRIES + 1):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
            else:
                return
            self.stdout.write(f"A table was in use for longer than {LOCK_TIMEOUT} (try {number} of {TRIES}).")
            time.sleep(PAUSE_S)
        told = "Of the migration that met a table in use nothing was changed: run migrate again at a quieter moment."
        raise CommandError(told)
