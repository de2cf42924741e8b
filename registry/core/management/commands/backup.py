"""`manage.py backup FOLDER`: all rows as of one moment, while the registry is in use."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.core import checkpoints
from registry.core.backups.form import BackupError
from registry.core.backups.taking import take_backup
from registry.core.signatures import public_key


class Command(BaseCommand):
    """Keys are not in it: keep SECRET_KEY and ENCRYPTION_KEYS elsewhere."""

    help = "Write a backup of the database into a new folder. Keys are not in it: keep SECRET_KEY and ENCRYPTION_KEYS elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        """FOLDER."""
        parser.add_argument("folder", type=Path, help="a folder that does not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was backed up; raises CommandError."""
        began = time.monotonic()
        try:
            manifest = take_backup(options["folder"].absolute())
        except BackupError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"No backup was made: {error}.") from None
        took = time.monotonic() - began
        self.stdout.write(
            f"{manifest.rows} rows of {len(manifest.tables)} tables as of {manifest.taken_at.isoformat()}: "
            f"{manifest.bytes} bytes in {took:.1f} s, signed by {public_key()}"
        )
        try:
            checkpoints.export_checkpoint(kind=checkpoints.BACKUP, ends=manifest.chains)
        except OSError as error:
            self.stderr.write(f"The backup is whole, but nobody can tell its age: {error}.")
        self.stdout.write(
            "Neither SECRET_KEY nor ENCRYPTION_KEYS is in it: without ENCRYPTION_KEYS providers' keys and people's authenticators must be entered again."
        )
