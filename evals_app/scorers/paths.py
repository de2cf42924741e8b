"""JSONPath without filters, bounded: what a path finds, and where."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from registry.core.canonical import JSON

if TYPE_CHECKING:
    from jsonpath_ng import JSONPath

MOST_DESCENDS = 2  # each `..` visits everything below everything: more of them could take for ever


def path_mistake(path: str) -> str:
    """What is wrong with a path; empty when nothing is."""
    from jsonpath_ng.exceptions import JsonPathLexerError, JsonPathParserError

    if path.count("..") > MOST_DESCENDS:
        return f"must not have more than {MOST_DESCENDS} times .."
    try:
        _parsed(path)
    except (JsonPathLexerError, JsonPathParserError, ValueError, RecursionError):
        return "is not a JSONPath such as $.intent or $.items[*].id"
    return ""


def find_values(path: str, value: JSON) -> list[JSON]:
    """Everything at the path, in order."""
    return [cast("JSON", match.value) for match in _parsed(path).find(value)]


def find_places(path: str, value: JSON) -> Iterator[tuple[list[JSON] | dict[str, JSON], str | int]]:
    """Each object or list in which the path finds something, with its key or position there."""
    from jsonpath_ng import Fields, Index

    for match in _parsed(path).find(value):
        holder = match.context.value if match.context else None
        if isinstance(match.path, Fields) and isinstance(holder, dict):
            yield from ((holder, str(name)) for name in match.path.fields)
        elif isinstance(match.path, Index) and isinstance(holder, list):
            yield from ((holder, int(index)) for index in match.path.indices)


@functools.lru_cache(maxsize=256)
def _parsed(path: str) -> JSONPath:
    from jsonpath_ng.parser import parse

    return parse(path)
