"""What a backup's folder holds: `manifest.json`, signed, and one gzipped COPY text a table."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from registry.core.canonical import JSON
from registry.core.checkpoints import ChainEnd, ends_to_json
from registry.core.signatures import NotSigned, read_signed

FORM = "greenroom-backup-1"
MANIFEST = "manifest.json"
# Who was signed in is nobody's to bring back, nor a link that signs in once and was used since; which migrations ran is in the manifest.
LEFT_OUT = frozenset({"django_session", "core_personsession", "core_signinlink", "django_migrations"})
CHUNK = 1024 * 1024


class BackupError(Exception):
    """A backup cannot be made or restored; the text is one line that says why and what to do."""


@dataclass(frozen=True)
class TableFile:
    """One table's rows: the file's name, size and SHA-256, and what is in it."""

    table: str
    columns: list[str]
    rows: int
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What was backed up and when: `taken_at` is the moment that all rows are of, by the database's clock."""

    taken_at: datetime
    server: int
    migrations: list[tuple[str, str]]
    chains: tuple[ChainEnd, ...]
    encryption_keys: list[str]
    sequences: dict[str, int]
    tables: list[TableFile]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """What the files take."""
        return sum(table.bytes for table in self.tables)

    def to_json(self) -> dict[str, JSON]:
        """The form that is signed."""
        return {
            "form": FORM,
            "taken_at": self.taken_at.isoformat(),
            "server": self.server,
            "migrations": [list(one) for one in self.migrations],
            "chains": ends_to_json(self.chains),
            "encryption_keys": list[JSON](self.encryption_keys),
            "sequences": dict[str, JSON](self.sequences),
            "tables": [cast("dict[str, JSON]", asdict(table)) for table in self.tables],
        }


def read_manifest(folder: Path, *, signed_by: str = "") -> Manifest:
    """The manifest of a backup, its signature checked. Raises BackupError."""
    try:
        found = cast("dict[str, Any]", read_signed((folder / MANIFEST).read_text(), by=signed_by).document)
        if found["form"] != FORM:
            raise NotSigned(f"its form is {found['form']}, this release reads {FORM}")
        return Manifest(
            datetime.fromisoformat(found["taken_at"]),
            found["server"],
            [(app, name) for app, name in found["migrations"]],
            tuple(ChainEnd(c["workspace"], c["slug"], c["epoch"], c["sequence"], c["hash"]) for c in found["chains"]),
            found["encryption_keys"],
            found["sequences"],
            [TableFile(**table) for table in found["tables"]],
        )
    except OSError as error:
        raise BackupError(f"{folder} holds no backup: {error.strerror} ({MANIFEST}).") from None
    except (NotSigned, KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{folder / MANIFEST}: {error}.") from None


def check_files(folder: Path, manifest: Manifest) -> None:
    """Read every file once. Raises BackupError naming the first that is missing, cut or changed."""
    for table in manifest.tables:
        path = folder / table.file
        if not path.is_file():
            raise BackupError(f"{path} is missing.")
        digest, size = hashlib.sha256(), 0
        for chunk in chunks(path):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (table.bytes, table.sha256):
            raise BackupError(f"{path} is not what was backed up: its checksum or size differs.")


def chunks(path: Path) -> Iterator[bytes]:
    """The file in pieces of a megabyte."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
