"""`manage.py setup_link`: the way in for the first person on a fresh installation."""

from typing import Any

from django.core.management.base import BaseCommand

from registry.core.actions.invitations import found_by_invitation


class Command(BaseCommand):
    """A fresh link at each call, which ends the one before; nothing once there is a workspace."""

    help = "Print a one-time link to make the first account and workspace; nothing where there is a workspace."

    def handle(self, *args: Any, **options: Any) -> None:
        """One line, or none."""
        if link := found_by_invitation():
            self.stdout.write(link)
