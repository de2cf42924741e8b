"""For programs that die by their own hand: at a statement, or around the commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def ending(
    connection: BaseDatabaseWrapper, when: str, *, is_due: Callable[[str], bool], end: Callable[[], None]
) -> Iterator[None]:
    """Calls `end` before each statement that is due, and before or after a commit where `when` is `commit` or `committed`."""

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if is_due(str(sql)):
            end()
        return execute(sql, params, many, context)

    real = connection._commit

    def commit() -> None:
        if when == "commit":
            end()
        real()
        if when == "committed":
            end()

    connection._commit = commit
    with connection.execute_wrapper(look):
        yield
