"""`manage.py remove_second_factor`: for somebody who lost their app, their passkeys and their recovery codes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from registry.core.actions.second_factors import remove_second_factors
from registry.core.actions.sessions import end_sessions
from registry.core.actor import Actor
from registry.core.models import Member


class Command(BaseCommand):
    """The operator's word that somebody is who they say; every session of theirs ends."""

    help = "Remove somebody's second factors (app, passkeys, recovery codes), and end their sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        """--email."""
        parser.add_argument("--email", required=True, help="whose")

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what was done; raises CommandError for somebody without one."""
        members = Member.objects.select_related("user").of_address(options["email"])
        member = members.order_by("pk").first()
        if member is None or not member.user.has_second_factor:
            raise CommandError("Nobody with this address has a second factor.")
        with transaction.atomic():
            remove_second_factors(Actor.system(member.workspace_id, "operator"), member.user)
            end_sessions(member.user)
        self.stdout.write(f"{member.user.email} signs in without a second factor now.")
