"""Migrations of a registry in use: what the code of the release before still needs is taken away by no migration at once."""

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED, CharField

from registry.core.migrating import WholeExecutor

OURS = frozenset({"core", "prompts_app", "evals_app"})
# Merged before this was asked, when nothing had been released.
BEFORE = frozenset(
    {
        ("evals_app", "0002_cases_carry_what_results_are_filtered_by"),
        ("evals_app", "0005_results_keep_tool_calls"),
    }
)
# Likewise, when tables were small.
LOCKED_BEFORE = frozenset(
    {
        ("core", "0002_invitations_sessions_and_mail"),
        ("evals_app", "0010_chunks_wait_in_order"),
        ("evals_app", "0012_what_ended_runs_used_is_added_up"),
        ("evals_app", "0013_runs_lie_beside_each_other_in_batches"),
        ("prompts_app", "0002_a_key_that_schedules_is_remembered"),
        ("prompts_app", "0003_who_drops_a_required_check_is_noted"),
        ("prompts_app", "0009_comments_answer_each_other_and_keep_their_line"),
    }
)
# Likewise, before one migration changed one table in use only.
SEVERAL_BEFORE = frozenset(
    {
        ("core", "0002_invitations_sessions_and_mail"),
        ("core", "0003_people_have_second_factors"),
        ("evals_app", "0004_results_say_where_from_and_runs_what_they_cost"),
        ("evals_app", "0006_people_label_results_and_judges_are_kept"),
        ("evals_app", "0010_chunks_wait_in_order"),
        ("evals_app", "0011_runs_have_budgets"),
    }
)
TAKES_AWAY = (migrations.RemoveField, migrations.RenameField, migrations.RenameModel, migrations.DeleteModel)


@cache
def loader() -> MigrationLoader:
    return MigrationLoader(None)


def ours() -> list[Any]:
    return [one for key, one in sorted(loader().disk_migrations.items()) if key[0] in OURS]


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


def holds_up(migration: Any, state: ProjectState) -> Iterator[str]:
    """What keeps a table that is in use locked for as long as it is large: indexes that are built, rows that are looked through or
    written anew. `state` is that before the migration."""
    known = {(app, name) for app, name in state.models}
    made = {one.name.lower() for one in migration.operations if isinstance(one, migrations.CreateModel)}
    is_schema = any(not isinstance(one, migrations.RunPython | migrations.RunSQL) for one in migration.operations)
    for one in migration.operations:
        table = getattr(one, "model_name", "").lower()
        if isinstance(one, migrations.RunPython) and is_schema:
            yield "rows are written in the transaction that changes tables: make it a migration of its own"
        if table in made or (migration.app_label, table) not in known:
            continue
        if isinstance(one, AddIndexConcurrently):
            continue
        if isinstance(one, migrations.AddIndex | migrations.AddConstraint):
            yield f"{one.describe()}: the table is locked while it is built or looked through"
        elif isinstance(one, migrations.AddField):
            yield from _heavy_column(one)
        elif isinstance(one, migrations.AlterField):
            yield from _heavy_change(one, state.models[migration.app_label, table].fields.get(one.name))


def _heavy_column(one: migrations.AddField) -> Iterator[str]:
    field = one.field
    if field.many_to_many:
        return
    if field.unique or field.db_index:
        yield f"{one.describe()}: an index is built while the table is locked"
    if getattr(field, "remote_field", None) and field.db_constraint:
        yield f"{one.describe()}: every row is looked at for the constraint"
    if getattr(field, "generated", False):
        yield f"{one.describe()}: every row is written anew"


def _heavy_change(one: migrations.AlterField, before: Any) -> Iterator[str]:
    if before is None:
        yield f"{one.describe()}: a column that this migration adds, changed once it is filled"
        return
    after, kinds = one.field, []
    for field in (before, after):
        bound = field.clone()
        bound.set_attributes_from_name(one.name)
        kinds.append(None if bound.many_to_many or bound.remote_field else bound.db_type(connection))
    widened = (
        isinstance(after, CharField)
        and isinstance(before, CharField)
        and (after.max_length or 0) >= (before.max_length or 0)
    )
    if kinds[0] != kinds[1] and not widened:
        yield f"{one.describe()}: every row is written anew"
    if before.null and not after.null:
        yield f"{one.describe()}: every row is looked at for NULL"
    if (after.db_index, after.unique) > (before.db_index, before.unique):
        yield f"{one.describe()}: an index is built while the table is locked"


@pytest.mark.django_db
@pytest.mark.parametrize("migration", ours(), ids=str)
def test_migration__keeps_no_table_locked_for_long(migration: Any) -> None:
    key = (migration.app_label, migration.name)
    state = loader().project_state([key], at_end=False)
    found = list(holds_up(migration, state))
    assert not found or key in LOCKED_BEFORE


def changes_in_use(operations: list[Any]) -> set[str]:
    """The tables of before that these change: several in one transaction may be in deadlock with requests."""
    made = {one.name.lower() for one in operations if isinstance(one, migrations.CreateModel)}
    return {one.model_name.lower() for one in operations if hasattr(one, "model_name")} - made


@pytest.mark.parametrize("migration", ours(), ids=str)
def test_migration__changes_one_table_in_use(migration: Any) -> None:
    found = changes_in_use(migration.operations)
    assert len(found) < 2 or (migration.app_label, migration.name) in SEVERAL_BEFORE, found


@pytest.mark.parametrize("migration", ours(), ids=str)
def test_migration__is_one_transaction(migration: Any) -> None:
    """So one that was killed between two statements has changed nothing, and is run again; but for an index, alone."""
    is_index = len(migration.operations) == 1 and isinstance(migration.operations[0], AddIndexConcurrently)
    assert migration.atomic or is_index


def test_guard__sees_what_it_is_for() -> None:
    column = models.TextField(default="")
    assert (
        len(list(breaks_old_code([migrations.AddField("run", "x", column), migrations.RemoveField("run", "y")]))) == 2
    )
    fine = [migrations.AddField("run", "x", models.TextField(default="", db_default=""))]
    assert not list(breaks_old_code([*fine, migrations.AddField("run", "z", models.TextField(null=True))]))
    new = migrations.CreateModel("Case", [("id", models.BigAutoField(primary_key=True))])
    assert changes_in_use([*fine, new, migrations.AddField("Case", "x", column)]) == {"run"}
    assert changes_in_use([*fine, migrations.AddField("result", "x", column)]) == {"run", "result"}


@pytest.mark.django_db
def test_guard_of_locks__sees_what_it_is_for() -> None:
    key = max(key for key in loader().disk_migrations if key[0] == "core")
    state = loader().project_state([key])
    heavy = [
        migrations.AddIndex("auditevent", models.Index(fields=["at"], name="x")),
        migrations.AddConstraint("auditevent", models.UniqueConstraint(fields=["at"], name="y")),
        migrations.AddField("auditevent", "x", models.TextField(null=True, db_index=True)),
        migrations.AddField("auditevent", "y", models.ForeignKey("core.User", null=True, on_delete=models.PROTECT)),
        migrations.AlterField("auditevent", "actor_id", models.TextField()),
        migrations.RunPython(migrations.RunPython.noop),
    ]
    light = [
        AddIndexConcurrently("auditevent", models.Index(fields=["at"], name="x")),
        migrations.AddField("auditevent", "x", models.TextField(default="", db_default="")),
        migrations.AlterField("auditevent", "event", models.CharField(max_length=100)),
    ]
    for operations, count in ((heavy, 7), (light, 0)):
        made = migrations.Migration("next", "core")
        made.operations = operations
        assert len(list(holds_up(made, state))) == count, list(holds_up(made, state))


@pytest.mark.injects("F22 migration of a table in use")
@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_migrate__of_a_table_in_use__gives_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management.commands.migrate import Command as DjangoMigrate

    def alter(self: Any, *args: Any, **options: Any) -> None:
        with transaction.atomic(using=options["database"]), connections[options["database"]].cursor() as cursor:
            cursor.execute("SET LOCAL ROLE NONE")  # the connection goes back to the pool
            cursor.execute("ALTER TABLE core_workspace ADD COLUMN passing int")

    monkeypatch.setattr(DjangoMigrate, "handle", alter)
    monkeypatch.setattr("registry.core.management.commands.migrate.TRIES", 2)
    monkeypatch.setattr("registry.core.management.commands.migrate.PAUSE_S", 0.0)
    told = io.StringIO()
    chosen = {**settings.DATABASES["default"], "NAME": connection.settings_dict["NAME"]}
    with psycopg.connect(
        dbname=chosen["NAME"], user=chosen["USER"], host=chosen["HOST"], port=chosen["PORT"]
    ) as reader:
        reader.execute("SELECT 1 FROM core_workspace")
        with pytest.raises(CommandError, match="run migrate again"):
            call_command("migrate", verbosity=0, stdout=told)
    assert told.getvalue().count("in use") == 2
    connection.close()


@pytest.mark.injects("F23 index built beside who writes, given up half way")
@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_index__built_beside_who_writes_and_given_up_half_way__is_built_by_the_next_try() -> None:
    """It is in no transaction: a time-out leaves an index that is none, under the name that the next try needs."""
    made = migrations.Migration("0999_an_index", "core")
    made.atomic = False
    made.operations = [AddIndexConcurrently("auditevent", models.Index(fields=["at"], name="given_up"))]
    state = loader().project_state([max(key for key in loader().disk_migrations if key[0] == "core")])
    valid = "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'given_up'"
    database = connections["owner"]
    chosen = connection.settings_dict
    with database.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
    try:
        with psycopg.connect(
            dbname=chosen["NAME"], user=chosen["USER"], host=chosen["HOST"], port=chosen["PORT"]
        ) as busy:
            busy.execute("INSERT INTO core_auditevent SELECT * FROM core_auditevent WHERE false")
            with database.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
            with pytest.raises(OperationalError):
                WholeExecutor(database).apply_migration(state.clone(), made)
        with database.cursor() as cursor:
            cursor.execute(valid)
            assert cursor.fetchall() == [(False,)]
        WholeExecutor(database).apply_migration(state.clone(), made)
        with database.cursor() as cursor:
            cursor.execute(valid)
            assert cursor.fetchall() == [(True,)]
    finally:
        with database.cursor() as cursor:
            cursor.execute("DROP INDEX IF EXISTS given_up")
            cursor.execute("DELETE FROM django_migrations WHERE name = '0999_an_index'")
        database.close()
