"""Restoring a backup into an empty database: tables by the migrations it names, then all rows in one transaction."""

import gzip
from collections.abc import Iterable
from pathlib import Path

from django.core.management import call_command
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from registry.core import checkpoints
from registry.core.actions.restoring import mark_restored
from registry.core.audit import Witness, verify_chain
from registry.core.backups.form import CHUNK, BackupError, Manifest, TableFile, check_files, read_manifest
from registry.core.backups.taking import ALIAS, quoted
from registry.core.models import Workspace
from registry.core.triggers import missing_triggers


def restore_backup(folder: Path, *, signed_by: str = "") -> Manifest:
    """Bring a backup back and let it be served: checksums, rows, triggers and chains checked, epochs raised.

    Raises BackupError. Ended half way by any means it can be run again: until all rows are there the database counts as empty.
    """
    manifest = read_manifest(folder, signed_by=signed_by)
    check_files(folder, manifest)
    _refuse_unless_empty(manifest)
    checkpoints.require_folder()
    _make_tables(manifest)
    _refuse_unknown_tables(manifest)
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        _load(cursor, folder, manifest)
    call_command("migrate", interactive=False, verbosity=0)
    _verify(manifest)
    checkpoints.export_checkpoint(kind=checkpoints.RESTORE, ends=manifest.chains)
    for workspace in Workspace.objects.order_by("pk"):
        mark_restored(workspace, taken_at=manifest.taken_at)
    return manifest


def _refuse_unless_empty(manifest: Manifest) -> None:
    known = set(MigrationExecutor(connections[ALIAS]).loader.disk_migrations)
    if newer := [
        f"{app}.{name}" for app, name in manifest.migrations if (app, name) not in known and app in _apps(known)
    ]:
        raise BackupError(f"The backup is of a newer release ({newer[-1]}): restore it with that release.")
    there = set(MigrationRecorder(connections[ALIAS]).applied_migrations())
    if there - set(manifest.migrations):
        raise BackupError("The database has tables that the backup does not know: restore into an empty database.")
    tables = connections[ALIAS].introspection.table_names()
    with connections[ALIAS].cursor() as cursor:
        if "core_workspace" in tables:
            cursor.execute("SELECT 1 FROM core_workspace LIMIT 1")
            if cursor.fetchone():
                raise BackupError("The database holds a registry already: restore into an empty database.")


def _apps(migrations: Iterable[tuple[str, str]]) -> set[str]:
    return {app for app, _ in migrations}


def _make_tables(manifest: Manifest) -> None:
    """Migrate up to where the backup's database was, no further: its rows fit those tables."""
    executor = MigrationExecutor(connections[ALIAS])
    wanted = [one for one in manifest.migrations if one in executor.loader.graph.nodes]
    below = {parent for one in wanted for parent in executor.loader.graph.node_map[one].parents}
    executor.migrate([one for one in wanted if executor.loader.graph.node_map[one] not in below])


def _refuse_unknown_tables(manifest: Manifest) -> None:
    """A newer release may have a part that this one knows nothing of, not even its migrations."""
    made = set(connections[ALIAS].introspection.table_names())
    if unknown := [table.table for table in manifest.tables if table.table not in made]:
        raise BackupError(
            f"The backup has a table that this release does not make ({unknown[0]}): restore it with the release that took it."
        )


def _load(cursor: CursorWrapper, folder: Path, manifest: Manifest) -> None:
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    for table in manifest.tables:
        cursor.execute(f"DELETE FROM {quoted(table.table)}")  # noqa: S608 (a quoted name)
    for table in manifest.tables:
        _load_table(cursor, folder, table)
    for sequence, value in manifest.sequences.items():
        cursor.execute("SELECT setval(%s::regclass, %s)", [quoted(sequence), value])
    # With the rows or not at all: nobody may ever serve them under the epoch they were backed up with.
    cursor.execute("UPDATE core_workspace SET epoch = epoch + 1")


def _load_table(cursor: CursorWrapper, folder: Path, table: TableFile) -> None:
    columns = ", ".join(map(quoted, table.columns))
    with (
        gzip.open(folder / table.file) as packed,
        cursor.copy(f"COPY {quoted(table.table)} ({columns}) FROM STDIN") as rows,
    ):
        while chunk := packed.read(CHUNK):
            rows.write(chunk)
    if cursor.rowcount != table.rows:
        raise BackupError(f"{table.table}: {cursor.rowcount} rows came back of {table.rows}.")


def _verify(manifest: Manifest) -> None:
    """What came back is what the signed manifest says; else nothing is told to be well."""
    if missing := missing_triggers():
        raise BackupError(f"Triggers that keep history are missing: {', '.join(missing)}.")
    for end in manifest.chains:
        seen = {end.sequence: Witness(end.slug, end.hash, "the backup's manifest")} if end.sequence else {}
        report = verify_chain(end.workspace_id, seen)
        if not report.ok or report.rows != end.sequence:
            raise BackupError(
                f"The audit chain of {end.slug} does not verify: {report.reason or 'its length differs'}."
            )
