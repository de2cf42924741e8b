"""Rows written in bulk: one COPY costs a third of the processor time of the same rows as an INSERT."""

from collections.abc import Sequence

from django.db import connection
from django.db.models import Field, Model
from django.db.models.expressions import DatabaseDefault

type Columns = list[Field[object, object]]


def copy_in(rows: Sequence[Model]) -> None:
    """Insert rows of one table that have no key yet; raises IntegrityError like any insert. What the database fills in is not read back."""
    columns = _columns(rows[0])
    names = ", ".join(connection.ops.quote_name(str(column.column)) for column in columns)
    statement = f"COPY {connection.ops.quote_name(rows[0]._meta.db_table)} ({names}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([column.get_db_prep_save(getattr(row, column.attname), connection) for column in columns])


def _columns(row: Model) -> Columns:
    """All but the key and what the database fills in."""
    return [
        column
        for column in row._meta.concrete_fields
        if not column.primary_key and not isinstance(getattr(row, column.attname), DatabaseDefault)
    ]
