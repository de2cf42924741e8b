"""Migrations of a registry in use: what the code of the release before still needs is taken away by no migration at once."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, migrations, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

OURS = frozenset({"core", "prompts_app", "evals_app"})
# Merged before this was asked, when nothing had been released.
BEFORE = frozenset(
    {
        ("evals_app", "0002_cases_carry_what_results_are_filtered_by"),
        ("evals_app", "0005_results_keep_tool_calls"),
    }
)
TAKES_AWAY = (migrations.RemoveField, migrations.RenameField, migrations.RenameModel, migrations.DeleteModel)


def ours() -> list[Any]:
    loader = MigrationLoader(None)
    return [one for key, one in sorted(loader.disk_migrations.items()) if key[0] in OURS]


def breaks_old_code(operations: list[Any]) -> Iterator[str]:
    """What code that knows only the tables of before cannot live with."""
    made = {one.name.lower() for one in operations if isinstance(one, migrations.CreateModel)}
    for one in operations:
        if isinstance(one, TAKES_AWAY):
            yield one.describe()
        elif isinstance(one, migrations.AddField) and one.model_name.lower() not in made:
            field = one.field
            if not field.null and not field.many_to_many and field.db_default is NOT_PROVIDED:
                yield f"{one.describe()}: neither null nor a default of the database"


@pytest.mark.parametrize("migration", ours(), ids=str)
def test_migration__expands_and_takes_nothing_away(migration: Any) -> None:
    found = list(breaks_old_code(migration.operations))
    assert not found or (migration.app_label, migration.name) in BEFORE


@pytest.mark.parametrize("migration", ours(), ids=str)
def test_migration__is_one_transaction(migration: Any) -> None:
    """So one that was killed between two statements has changed nothing, and is run again."""
    assert migration.atomic


def test_guard__sees_what_it_is_for() -> None:
    from django.db import models

    column = models.TextField(default="")
    assert (
        len(list(breaks_old_code([migrations.AddField("run", "x", column), migrations.RemoveField("run", "y")]))) == 2
    )
    fine = [migrations.AddField("run", "x", models.TextField(default="", db_default=""))]
    assert not list(breaks_old_code([*fine, migrations.AddField("run", "z", models.TextField(null=True))]))


@pytest.mark.injects("F22 migration of a table in use")
@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_migrate__of_a_table_in_use__gives_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management.commands.migrate import Command as DjangoMigrate

    def alter(self: Any, *args: Any, **options: Any) -> None:
        with transaction.atomic(using=options["database"]), connections[options["database"]].cursor() as cursor:
            cursor.execute("SET LOCAL ROLE NONE")  # the connection goes back to the pool
            cursor.execute("ALTER TABLE core_workspace ADD COLUMN passing int")

    monkeypatch.setattr(DjangoMigrate, "handle", alter)
    chosen = {**settings.DATABASES["default"], "NAME": connection.settings_dict["NAME"]}
    with psycopg.connect(
        dbname=chosen["NAME"], user=chosen["USER"], host=chosen["HOST"], port=chosen["PORT"]
    ) as reader:
        reader.execute("SELECT 1 FROM core_workspace")
        with pytest.raises(CommandError, match="run migrate again"):
            call_command("migrate", verbosity=0)
    connection.close()
