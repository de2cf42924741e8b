"""`manage.py restore FOLDER`: a backup into an empty database."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.core.backups.form import BackupError
from registry.core.backups.restoring import restore_backup
from registry.core.clock import database_now
from registry.core.secrets import key_ids


class Command(BaseCommand):
    """Checks before and after; tells what is missing."""

    help = "Restore a backup into an empty database and raise every workspace's epoch."

    def add_arguments(self, parser: CommandParser) -> None:
        """FOLDER, --signed-by."""
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--signed-by",
            default="",
            metavar="KEY",
            help="the public key that `backup` printed, where SECRET_KEY is another one now",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what came back; raises CommandError."""
        began = time.monotonic()
        try:
            manifest = restore_backup(options["folder"].absolute(), signed_by=options["signed_by"])
        except BackupError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The restore did not come to its end: {error}.") from None
        self.stdout.write(
            f"{manifest.rows} rows of {len(manifest.tables)} tables as of {manifest.taken_at.isoformat()} are back "
            f"after {time.monotonic() - began:.1f} s: checksums, triggers and audit chains hold, epochs are raised."
        )
        age = timedelta(seconds=round((database_now() - manifest.taken_at).total_seconds()))
        self.stdout.write(
            f"RPO {age}: what was committed since the backup is lost. RTO {time.monotonic() - began:.1f} s."
        )
        if missing := sorted(set(manifest.encryption_keys) - set(key_ids())):
            self.stdout.write(
                f"ENCRYPTION_KEYS lacks {', '.join(missing)}: add them, or enter again what they sealed: providers' keys, people's authenticators."
            )
