"""Taking a backup: every table in one snapshot of the database, while others write."""

import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from registry.core.backups.form import LEFT_OUT, MANIFEST, BackupError, Manifest, TableFile
from registry.core.checkpoints import chain_ends, write_durably
from registry.core.secrets import key_ids
from registry.core.signatures import sign

ALIAS = "owner"
_COLUMNS = """
SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position) FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
GROUP BY c.table_name ORDER BY c.table_name"""


def take_backup(folder: Path) -> Manifest:
    """Write a backup into a new folder, which appears whole or not at all. Raises BackupError where it exists.

    Everything that was committed before the start is in it, and of what commits meanwhile nothing.
    """
    if folder.exists():
        raise BackupError(f"{folder} exists already: name a folder that does not.")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    with _snapshot() as cursor:
        manifest = _copy_all(cursor, unfinished)
    write_durably(unfinished / MANIFEST, sign(manifest.to_json()).encode())
    unfinished.rename(folder)
    return manifest


@contextmanager
def _snapshot() -> Iterator[CursorWrapper]:
    """A cursor for which the database stands still."""
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield cursor


def _copy_all(cursor: CursorWrapper, folder: Path) -> Manifest:
    cursor.execute("SELECT clock_timestamp(), current_setting('server_version_num')::int")
    taken_at, server = cursor.fetchone()  # the first query: the snapshot is of this moment
    cursor.execute("SELECT app, name FROM django_migrations ORDER BY id")
    migrations = cursor.fetchall()
    ends = chain_ends(ALIAS)
    cursor.execute(_COLUMNS)
    tables = [_copy(cursor, folder, table, columns) for table, columns in cursor.fetchall() if table not in LEFT_OUT]
    # Last, since counters stand outside the snapshot: none may come back lower than a row that is in it.
    cursor.execute("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'")
    sequences = {name: value for name, value in cursor.fetchall() if value is not None}
    return Manifest(taken_at, server, migrations, ends, key_ids(), sequences, tables)


def _copy(cursor: CursorWrapper, folder: Path, table: str, columns: list[str]) -> TableFile:
    """One table's rows into a file of its own, as PostgreSQL's COPY text."""
    path = folder / f"{table}.copy.gz"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0, filename="") as packed:
            with cursor.copy(f"COPY {quoted(table)} ({', '.join(map(quoted, columns))}) TO STDOUT") as rows:
                for chunk in rows:
                    packed.write(chunk)
            count = cursor.rowcount
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return TableFile(table, columns, count, path.name, path.stat().st_size, digest)


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return connections[ALIAS].ops.quote_name(name)
