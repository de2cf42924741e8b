"""The triggers that keep history: are they there, and in force?"""

import pgtrigger
from django.db import connection


def missing_triggers() -> list[str]:
    """Those that models ask for and the database does not run, as `table.name`; empty where all is well. One query."""
    wanted = {
        (model._meta.db_table, trigger.get_pgid(model)): f"{model._meta.db_table}.{trigger.name}"
        for model, trigger in pgtrigger.registered()
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
        )
        found = {(table, name) for table, name in cursor.fetchall()}
    return sorted(name for key, name in wanted.items() if key not in found)
