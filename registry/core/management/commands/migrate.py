"""`migrate` as the role that owns the tables, followed by the grants of the role that runs the application."""

from typing import Any

from django.conf import settings
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections

from registry.core.dbroles import grant_application_role


class Command(DjangoMigrate):
    """Django's migrate, on the owner's connection."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then grant."""
        if options["database"] == "default" and settings.DATABASE_HAS_TWO_ROLES:
            options["database"] = "owner"
        super().handle(*args, **options)
        if settings.DATABASE_HAS_TWO_ROLES:
            grant_application_role(connections["owner"])
