"""One reading and one writing of JSON for the whole registry: strict in, canonical out.

Everything that is stored, hashed or compared passes here, so that equal values have equal bytes on every node and
nothing enters that PostgreSQL, a template or another client would later choke on.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator

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
    todo: list[tuple[object, str, int]] = [(value, path, 0)]
    while todo:
        node, where, depth = todo.pop()
        if isinstance(node, str):
            check_text(node, where)
        elif node is None or isinstance(node, bool):
            continue
        elif isinstance(node, int):
            if not MIN_INT <= node <= MAX_INT:
                raise InvalidJson(f"{_at(where)}an integer does not fit 64 bits.", None, where)
        elif isinstance(node, float):
            if not math.isfinite(node):
                raise InvalidJson(f"{_at(where)}NaN and infinities are not JSON.", None, where)
        elif isinstance(node, list | tuple | dict):
            if depth >= max_depth:
                raise _Nested(f"{_at(where)}nested deeper than {max_depth} levels.", None, where)
            todo.extend((child, name, depth + 1) for child, name in _children(node, where))
        else:
            raise InvalidJson(f"{_at(where)}{type(node).__name__} is not a JSON value.", None, where)


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
    try:
        check_text(text)
    except InvalidJson:
        return False
    return True


class _Nested(InvalidJson):
    """Too deep: told apart so that the parser can find the bracket's position."""


def _children(node: list[JSON] | tuple[JSON, ...] | dict[str, JSON], path: str) -> Iterator[tuple[JSON, str]]:
    if not isinstance(node, dict):
        for index, child in enumerate(node):
            yield child, f"{path}[{index}]"
        return
    for key, child in node.items():
        if not isinstance(key, str):
            raise InvalidJson(f"{_at(path)}a key is not text.", None, path)
        check_text(key, f"{path} (a key)" if path else "(a key)")
        yield child, f"{path}.{key}" if path else key


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
