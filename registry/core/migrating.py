"""Migrations that happen whole or not at all."""

import contextlib
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import transaction
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState


class WholeExecutor(MigrationExecutor):
    """Notes a migration in the very transaction that makes its tables.

    Django notes one that has foreign keys or indexes to add after its commit: a process killed in between leaves tables
    that the next try wants to make again, and cannot.
    """

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        """Run a migration forwards and note it; both or neither. An index that is built beside who writes is in no transaction:
        what an earlier try has left of it goes first."""
        for operation in migration.operations:
            if isinstance(operation, AddIndexConcurrently) and not fake:
                self._drop_index(operation.index.name)
        whole: Any = transaction.atomic(using=self.connection.alias) if migration.atomic else contextlib.nullcontext()
        with whole:
            return super().apply_migration(state, migration, fake=fake, fake_initial=fake_initial)

    def _drop_index(self, name: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.connection.ops.quote_name(name)}")
