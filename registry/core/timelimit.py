"""Queries whose cost the caller chooses get a limit of time."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import OperationalError, connection, transaction

from registry.core.errors import Unavailable


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Each query inside may take so long; raises Unavailable `query.slow` when one is stopped. Reading only."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{int(seconds * 1000)}ms"])
            yield
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise Unavailable("query.slow", "This search takes too long: ask for less.") from None
        raise
