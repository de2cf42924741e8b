"""The one clock that all processes share: the database's."""

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """The time at this statement, aware, in UTC; unlike `now()` it moves on within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now
