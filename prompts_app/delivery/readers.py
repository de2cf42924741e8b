"""Reading the database from the loop: a few threads, each answer within a time limit, connections back in the pool."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, connection
from psycopg_pool import PoolTimeout

from registry.core.errors import Unavailable

THREADS = 4
LONGEST_S = 2.0


class Readers:
    """Threads that read for a loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="delivery")

    def close(self) -> None:
        """Ends the threads, without waiting for a database that does not answer."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def read[**P, T](self, reader: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `reader` returns; raises Unavailable when the database does not answer within two seconds."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LONGEST_S):
                return await loop.run_in_executor(self._threads, lambda: _read(reader, *args, **kwargs))
        except (DatabaseError, PoolTimeout, TimeoutError):
            detail = "The database does not answer, and this was not held in memory: try again in a moment."
            raise Unavailable("database.unavailable", detail, retry_after=2) from None


def _read[**P, T](reader: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return reader(*args, **kwargs)
    finally:
        connection.close()
