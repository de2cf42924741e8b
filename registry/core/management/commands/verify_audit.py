"""`manage.py verify_audit`: walk every workspace's audit chain, and hold it against what was kept outside the database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.core.audit import Witness, verify_chain
from registry.core.checkpoints import exported, read_checkpoint, witnesses
from registry.core.models import Workspace
from registry.core.signatures import NotSigned


class Command(BaseCommand):
    """Says per workspace how many rows fit; exits with 1 where one does not."""

    help = "Walk the audit chain of every workspace and name the first row that does not fit."

    def add_arguments(self, parser: CommandParser) -> None:
        """--checkpoint, --signed-by."""
        told = "a checkpoint or a backup's manifest kept elsewhere; beside those in AUDIT_CHECKPOINT_DIR"
        parser.add_argument("--checkpoint", action="append", type=Path, default=[], metavar="FILE", help=told)
        parser.add_argument(
            "--signed-by",
            default="",
            metavar="KEY",
            help="the public key of checkpoints that another SECRET_KEY signed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per workspace; raises CommandError when a chain is broken or a checkpoint is not ours."""
        paths = [*exported(), *options["checkpoint"]]
        try:
            known = witnesses([read_checkpoint(path, by=options["signed_by"]) for path in paths])
        except NotSigned as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"held against {len(paths)} checkpoints" if paths else "no checkpoint to hold it against")
        if broken := self._walk(known):
            raise CommandError("; ".join(broken))

    def _walk(self, known: dict[int, dict[int, Witness]]) -> list[str]:
        broken = []
        for workspace in Workspace.objects.order_by("slug"):
            report = verify_chain(workspace.pk, known.pop(workspace.pk, {}))
            if not report.ok:
                broken.append(f"{workspace.slug}: {report.reason}")
            self.stdout.write(f"{workspace.slug}: {report.rows} rows, {'ok' if report.ok else report.reason}")
        for seen in known.values():
            witness = next(iter(seen.values()))
            broken.append(f"{witness.slug}: the workspace is gone, {witness.source} has seen it")
        return broken
