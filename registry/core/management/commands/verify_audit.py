"""`manage.py verify_audit`: walk every workspace's audit chain."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.core.audit import verify_chain
from registry.core.models import Workspace


class Command(BaseCommand):
    """Says per workspace how many rows fit; exits with 1 at the first that does not."""

    help = "Walk the audit chain of every workspace and name the first row that does not fit."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per workspace; raises CommandError when a chain is broken."""
        broken = []
        for workspace in Workspace.objects.order_by("slug"):
            report = verify_chain(workspace.pk)
            if not report.ok:
                broken.append(f"{workspace.slug}: {report.reason}")
            self.stdout.write(f"{workspace.slug}: {report.rows} rows, {'ok' if report.ok else report.reason}")
        if broken:
            raise CommandError("; ".join(broken))
