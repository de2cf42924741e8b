"""`manage.py demo_links`: how to sign in as the people of the demo."""

from typing import Any

from django.core.management.base import BaseCommand

from evals_app.demo.people import PEOPLE
from evals_app.models import DemoStory
from prompts_app.management.commands.create_workspace import sign_in
from registry.core.models import Member


class Command(BaseCommand):
    """Fresh one-time links at each call; nothing where there is no demo."""

    help = "Print a line for each person of the demo: name, role, and a sign-in link that works once."

    def handle(self, *args: Any, **options: Any) -> None:
        """One line each, in the order of the ladder."""
        story = DemoStory.objects.first()
        if story is None:
            return
        found = Member.objects.in_workspace(story.workspace_id).active().select_related("user")
        members = {member.user.email: member for member in found}
        for person in PEOPLE:
            if member := members.get(person.email):
                link = sign_in(member.user)["sign_in_url"]
                self.stdout.write(f"{member.user.name:<16} {member.role:<10} {link}")
