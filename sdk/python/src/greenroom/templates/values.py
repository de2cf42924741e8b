"""One reading and one writing of JSON for the whole registry: strict in, canonical out.

Everything that is stored, hashed or compared passes here, so that equal values have equal bytes on every node and
nothing enters that PostgreSQL, a template or another client would later choke on.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence

type JSON = bool | int | float | str | list[JSON] | dict[str, JSON] | None

MAX_DEPTH = 60
_CANONICAL_DEPTH = 200  # a value that came in may be wrapped before it is hashed
MIN_INT, MAX_INT = -(2**63), 2**64 - 1
_LONGEST_INT = len(str(MIN_INT))
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SYNTAX_HINT = re.compile(r": line \d+ column \d+ \(char \d+\)$")


class InvalidJson(ValueError):
    """A text or value that is not JSON as the registry accepts it.

    `path` looks like `messages[2].content` and is empty for the whole document. `position` counts characters from 0:
    in the string at `path`, else in the whole text (bytes where it is not UTF-8); None where only the path is known.
    """

    def __init__(self, message: str, position: int | None = None, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.path = path


def canonical_json(value: JSON) -> str:
    """The one text of a value: keys sorted by code point, no blanks, characters as themselves.

    Raises InvalidJson with the path of a NaN, an infinity, a NUL, a lone surrogate, a number beyond 64 bit or a key
    that is not text.
    """
    check_json(value, max_depth=_CANONICAL_DEPTH)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def digest(value: JSON) -> str:
    """SHA-256 of the canonical text in UTF-8, as 64 lower-case hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def parse_json(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> JSON:
    """The value of a JSON text, keys in the order given.

    Raises InvalidJson for anything but plain JSON: syntax, duplicate keys, NaN and infinities, numbers that overflow a
    double or 64 bit, nesting deeper than `max_depth` (any depth is survived), NUL and lone surrogates.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise InvalidJson(f"Not valid UTF-8 at byte {error.start}.", error.start) from None
    try:
        value: JSON = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        message = _SYNTAX_HINT.sub("", str(error))
        raise InvalidJson(f"{message} at line {error.lineno}, column {error.colno}.", error.pos) from None
    except RecursionError:
        raise _too_deep(text, max_depth) from None
    try:
        check_json(value, max_depth=max_depth)
    except _Nested:
        raise _too_deep(text, max_depth) from None
    return value


def check_json(value: JSON, path: str = "", *, max_depth: int = MAX_DEPTH) -> None:
    """Refuse, naming the path, what `parse_json` would not have let in: for values that came another way."""
    levels: list[Iterator[tuple[str | int, object]]] = [iter([("", value)])]
    steps: list[str | int] = [""]  # to where we are; the first leads to the value itself
    while levels:
        found = next(levels[-1], None)
        if found is None:
            levels.pop()
            steps.pop()
            continue
        steps[-1], node = found
        if isinstance(node, list | tuple | dict):
            if len(levels) > max_depth:
                where = _told(path, steps)
                raise _Nested(f"{_at(where)}nested deeper than {max_depth} levels.", None, where)
            if isinstance(node, dict):
                _check_keys(node, path, steps)
            levels.append(iter(node.items()) if isinstance(node, dict) else enumerate(node))
            steps.append("")
        elif wrong := _what_is_wrong(node):
            raise _refused(wrong, path, steps)
        elif isinstance(node, str) and not is_storable(node):
            check_text(node, _told(path, steps))


def check_text(text: str, path: str = "") -> None:
    """Refuse NUL and lone surrogates, which no UTF-8 store can keep, naming the character's position in the text."""
    position = text.find("\0")
    if position >= 0:
        raise InvalidJson(f"{_at(path)}character {position} is NUL.", position, path)
    if not text.isascii():
        lone = _SURROGATE.search(text)
        if lone:
            raise InvalidJson(f"{_at(path)}character {lone.start()} is a lone surrogate.", lone.start(), path)


def is_storable(text: str) -> bool:
    """Whether `check_text` lets the text pass."""
    return "\0" not in text and (text.isascii() or not _SURROGATE.search(text))


class _Nested(InvalidJson):
    """Too deep: told apart so that the parser can find the bracket's position."""


def _what_is_wrong(leaf: object) -> str:
    """What keeps a value without others in it from being JSON, its characters apart; empty where nothing does."""
    if isinstance(leaf, str) or leaf is None or isinstance(leaf, bool):
        return ""
    if isinstance(leaf, int):
        return "" if MIN_INT <= leaf <= MAX_INT else "an integer does not fit 64 bits."
    if isinstance(leaf, float):
        return "" if math.isfinite(leaf) else "NaN and infinities are not JSON."
    return f"{type(leaf).__name__} is not a JSON value."


def _check_keys(node: dict[str, JSON], path: str, steps: Sequence[str | int]) -> None:
    for key in node:
        if not isinstance(key, str):
            raise _refused("a key is not text.", path, steps)
        if not is_storable(key):
            where = _told(path, steps)
            check_text(key, f"{where} (a key)" if where else "(a key)")


def _told(path: str, steps: Sequence[str | int]) -> str:
    """Where in the value at `path` a place is; made only to be told, since a long key may have many values below it."""
    for step in steps[1:]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _refused(message: str, path: str, steps: Sequence[str | int]) -> InvalidJson:
    where = _told(path, steps)
    return InvalidJson(f"{_at(where)}{message}", None, where)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidJson(f"The key {json.dumps(twice)} appears twice in one object.")
    return value


def _integer(digits: str) -> int:
    if len(digits) <= _LONGEST_INT and MIN_INT <= int(digits) <= MAX_INT:
        return int(digits)
    raise InvalidJson("An integer does not fit 64 bits.")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise InvalidJson("A number is too large for a double.")
    return value


def _constant(name: str) -> JSON:
    raise InvalidJson(f"{name} is not JSON.")


def _too_deep(text: str, max_depth: int) -> InvalidJson:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
        if depth > max_depth:
            return InvalidJson(f"Nested deeper than {max_depth} levels.", token.start())
    return InvalidJson(f"Nested deeper than {max_depth} levels.")


def _at(path: str) -> str:
    return f"{path}: " if path else ""
