"""JSONPath without filters, bounded: what a path finds, and where.

Only what leads down is read, and nothing twice. A way back up (`` `parent` ``), several paths at once or a name that is there
twice would find the same places again and again: fifty characters of that take longer than anybody lives.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from evals_app.scorers.protocol import UnscorableError
from registry.core.canonical import JSON

if TYPE_CHECKING:
    from jsonpath_ng import DatumInContext, JSONPath

MOST_DESCENDS = 2  # each `..` visits everything below everything: more of them could take for ever
MOST_PLACES = 20_000
LONGEST_PATH = 500
SHAPE = "is not a JSONPath such as $.intent or $.items[*].id"


def path_mistake(path: str) -> str:
    """What is wrong with a path; empty when nothing is."""
    if len(path) > LONGEST_PATH:
        return f"must not have more than {LONGEST_PATH} characters"
    if path.count("..") > MOST_DESCENDS:
        return f"must not have more than {MOST_DESCENDS} times .."
    return "" if _parsed(path) is not None else SHAPE


def find_values(path: str, value: JSON) -> list[JSON]:
    """Everything at the path, in order; raises UnscorableError for a path or a value that takes too long."""
    return [cast("JSON", match.value) for match in _found(path, value)]


def find_places(path: str, value: JSON) -> Iterator[tuple[list[JSON] | dict[str, JSON], str | int]]:
    """Each object or list in which the path finds something, with its key or position there; raises UnscorableError."""
    from jsonpath_ng import Fields, Index

    for match in _found(path, value):
        holder = match.context.value if match.context else None
        if isinstance(match.path, Fields) and isinstance(holder, dict):
            yield from ((holder, str(name)) for name in match.path.fields)
        elif isinstance(match.path, Index) and isinstance(holder, list):
            yield from ((holder, int(index)) for index in match.path.indices)


def _found(path: str, value: JSON) -> Sequence[DatumInContext]:
    parsed = None if path_mistake(path) else _parsed(path)
    if parsed is None:
        raise UnscorableError(f"The path {path[:100]} is not one that can be looked up.")
    if ".." in path and _size(value) > MOST_PLACES:
        raise UnscorableError(f"The output has more than {MOST_PLACES:,} values: too many to look everywhere.")
    return cast("Sequence[DatumInContext]", parsed.find(value))


def _size(value: JSON) -> int:
    """How many values there are in a value, itself included."""
    todo, count = [value], 0
    while todo:
        one = todo.pop()
        count += 1
        todo.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return count


@functools.lru_cache(maxsize=256)
def _parsed(path: str) -> JSONPath | None:
    """The path, None for what is none or more than a way down."""
    from jsonpath_ng.exceptions import JsonPathLexerError, JsonPathParserError
    from jsonpath_ng.parser import parse

    try:
        parsed = parse(path)
    except (JsonPathLexerError, JsonPathParserError, ValueError, RecursionError):
        return None
    return parsed if _leads_down(parsed) else None


def _leads_down(path: JSONPath) -> bool:
    from jsonpath_ng import Child, Descendants, Fields, Index, Root, Slice, This, Wildcard

    todo = [path]
    while todo:
        one = todo.pop()
        if isinstance(one, Child | Descendants):
            todo += [one.left, one.right]
            continue
        named = one.fields if isinstance(one, Fields) else one.indices if isinstance(one, Index) else ()
        if not isinstance(one, Root | This | Fields | Index | Slice | Wildcard) or len(set(named)) != len(named):
            return False
    return True
