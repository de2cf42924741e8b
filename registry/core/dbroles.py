"""The two database roles: one owns and migrates, one runs the application without a right to rewrite history."""

from django.conf import settings
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from registry.core.models import append_only_models


def grant_application_role(connection: BaseDatabaseWrapper, role: str | None = None) -> None:
    """Give the application's role what it needs: all on ordinary tables, SELECT and INSERT on append-only ones,
    UPDATE there only of the columns of a text that can be purged.

    Run by `migrate` as the owner, after every migration; harmless to repeat. All of it or nothing: at no moment has the role
    what it must not have.
    """
    name = connection.ops.quote_name(role or settings.DATABASE_APP_ROLE)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if not _exists(cursor, role or settings.DATABASE_APP_ROLE):
            return
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}")
        for model in append_only_models():
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {name}")
            if model.purged_columns:
                columns = ", ".join(map(connection.ops.quote_name, model.purged_columns))
                cursor.execute(f"GRANT UPDATE ({columns}) ON {table} TO {name}")
        cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {name}")


def _exists(cursor: CursorWrapper, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    return cursor.fetchone() is not None
