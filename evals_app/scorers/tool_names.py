"""The names of tools that a text calls, in the forms in which providers write calls, alone or between words. Pure.

As promptfoo finds them: JSON in a text counts where it begins and ends a line, outside of blocks of code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from evals_app.scorers.trimming import BLANKS, trimmed
from registry.core.canonical import JSON

MOST_UNMATCHED = 65_536
_LIST = re.compile(r"[ \t]*(?:[-+*]|[0-9]++[.)])[ \t]+")
_FENCE = re.compile(r"[ \t]*(`{3,}+|~{3,}+)")
_MARK = re.compile(r'[][{}"]')
_PAIRS = {"}": "{", "]": "["}


class TooTangledError(ValueError):
    """More brackets without a partner, or more attempts, than anybody's answer has."""


@dataclass(frozen=True, slots=True)
class _Bracket:
    character: str
    place: int
    begins_line: bool
    ends_line: bool


def tool_names(text: str) -> set[str]:
    """The tools that a text calls; raises TooTangledError."""
    try:
        return names_in(_read(text))
    except ValueError:
        return {name for value in _values_in(text) for name in names_in(value)}


def names_in(value: JSON) -> set[str]:
    """The tools that a value calls: a call, or a list of them, as OpenAI, Anthropic and Google write them."""
    if isinstance(value, list):
        return {name for one in value if isinstance(one, dict) for name in [_name_of(one)] if name is not None}
    if isinstance(value, str):
        return tool_names(value)
    if not isinstance(value, dict):
        return set()
    calls = value.get("tool_calls")
    if isinstance(calls, list):
        return {name for one in calls if isinstance(one, dict) for name in _both_names(one)}
    if value.get("type") in {"tool_use", "function_call"} and isinstance(value.get("name"), str):
        return {str(value["name"])}
    if isinstance(value.get("functionCall"), dict | list):
        return _texts(_member(value["functionCall"], "name"))
    calls = _member(value.get("toolCall"), "functionCalls")
    return {name for one in calls for name in _texts(_member(one, "name"))} if isinstance(calls, list) else set()


def _name_of(call: dict[str, JSON]) -> str | None:
    """The name in an entry of a list of calls."""
    name: JSON = call.get("name")
    if call.get("type") != "tool_use" or not isinstance(name, str):
        for holder in ("functionCall", "function"):
            if isinstance(call.get(holder), dict | list):
                name = _member(call[holder], "name")
                break
    return name if isinstance(name, str) else None


def _both_names(call: dict[str, JSON]) -> set[str]:
    return _texts(_member(call.get("function"), "name")) | _texts(call.get("name"))


def _member(value: JSON, name: str) -> JSON:
    return value.get(name) if isinstance(value, dict) else None


def _texts(value: JSON) -> set[str]:
    return {value} if isinstance(value, str) else set()


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _read(text: str) -> JSON:
    """JSON as JavaScript reads it; raises ValueError."""
    try:
        value: JSON = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("too deep") from None
    return value


def _values_in(text: str) -> Iterator[JSON]:
    """The JSON between words; what is in brackets and is none is looked through in its turn, within four times the text."""
    waiting, left = [_blocks(text, is_inner=False)], 4 * len(text)
    while waiting:
        block = next(waiting[-1], None)
        if block is None:
            waiting.pop()
            continue
        inside, begins_line = block
        left -= len(inside)
        if left < 0:
            raise TooTangledError
        try:
            value = _read(inside)
        except ValueError:
            waiting.append(_blocks(inside, is_inner=True))
            continue
        if begins_line:
            yield value


def _blocks(text: str, *, is_inner: bool) -> Iterator[tuple[str, bool]]:
    """What stands in brackets that have their partner, the outermost ones or, of a block itself, those in it."""
    alone = _without_partner(text)
    depth, begin = 0, None
    for one in _brackets(text):
        if one is None or one.place in alone:
            continue
        if one.character in "{[":
            if begin is None and depth == int(is_inner):
                begin = one
            depth += 1
            continue
        depth -= 1
        if begin is not None and depth == int(is_inner):
            if one.ends_line:
                yield text[begin.place : one.place + 1], begin.begins_line
            begin = None


def _without_partner(text: str) -> set[int]:
    """Places of brackets without a partner; none has it across a block of code or an open string."""
    alone: list[tuple[str, int]] = []
    start = 0
    for one in _brackets(text):
        if one is None:
            start = len(alone)
        elif one.character in "{[":
            alone.append((one.character, one.place))
        elif len(alone) > start and alone[-1][0] == _PAIRS[one.character]:
            alone.pop()
        else:
            alone.append((one.character, one.place))
            start = len(alone)
        if len(alone) > MOST_UNMATCHED:
            raise TooTangledError
    return {place for _, place in alone}


def _brackets(text: str) -> Iterator[_Bracket | None]:
    """Brackets outside of strings and of blocks of code; None where neither side knows of the other."""
    at, fence, fence_indent = 0, "", 0
    containers: list[int] = []
    while at < len(text):
        begin, newline = at, text.find("\n", at)
        at = len(text) + 1 if newline < 0 else newline + 1
        line = text[begin : at - 1].rstrip(BLANKS)
        blank = len(line) - len(line.lstrip(BLANKS))
        indent = _width(line[:blank])
        if fence and line and indent < fence_indent:
            fence = ""
            yield None
        if fence:
            fence = "" if _closes(line, fence, indent - fence_indent) else fence
            continue
        while line and containers and indent < containers[-1]:
            containers.pop()
        listed = _LIST.match(line)
        if listed:
            containers.append(_width(listed[0]))
        container = containers[-1] if containers else 0
        opened = _opened(line[listed.end() :] if listed else line, is_near=bool(listed) or indent <= container + 3)
        if opened:
            fence, fence_indent = opened, container
            yield None
            continue
        yield from _in_line(line, begin, blank)


def _opened(line: str, *, is_near: bool) -> str:
    """The fence that a line opens."""
    marker = _FENCE.match(line)
    if marker is None or not is_near or (marker[1][0] == "`" and "`" in line[marker.end() :]):
        return ""
    return marker[1]


def _closes(line: str, fence: str, indent: int) -> bool:
    marker = _FENCE.match(line)
    if marker is None or indent > 3 or marker[1][0] != fence[0] or len(marker[1]) < len(fence):
        return False
    return not trimmed(line[marker.end() :])


def _in_line(line: str, begin: int, blank: int) -> Iterator[_Bracket | None]:
    at, in_string = 0, False
    while at < len(line):
        if in_string:
            at = _string_end(line, at)
            in_string = at < 0
            if in_string:
                break
            continue
        mark = _MARK.search(line, at)
        if mark is None:
            break
        at, in_string = mark.end(), mark[0] == '"'
        if not in_string:
            yield _Bracket(mark[0], begin + mark.start(), mark.start() == blank, at == len(line))
    if in_string:
        yield None


def _string_end(line: str, at: int) -> int:
    """Where a string goes on after its quote, -1 where the line ends first."""
    while at < len(line):
        if line[at] == "\\":
            at += 2
        elif line[at] == '"':
            return at + 1
        else:
            at += 1
    return -1


def _width(blanks: str) -> int:
    column = 0
    for character in blanks:
        column += 4 - column % 4 if character == "\t" else 1
    return column
