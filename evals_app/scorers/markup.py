"""Elements of XML in a text: told apart by their tags, without resolving anything that the text refers to. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from registry.core.canonical import JSON

_START = ":A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
_START += "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
_NAME = re.compile(f"[{_START}][{_START}\\-.0-9\xb7\u0300-\u036f\u203f\u2040]*")
_QUOTED_OR_END = re.compile(r"""[^"'<>]*(?:"[^"]*"|'[^']*'|(?P<end>[<>]))""")
_ATTRIBUTE = re.compile(rf"""\s({_NAME.pattern})(?:\s*=\s*(?:"[^"]*"|'[^']*'))?""")


@dataclass(eq=False)
class Element:
    """One element: where it begins, what is in it, its attributes' names, and whether it has text of its own."""

    name: str
    start: int
    attributes: frozenset[str]
    children: list[Element] = field(default_factory=list)
    has_text: bool = False


def not_well_formed(text: str) -> str:
    """Why a text is no XML document, namespaces included; empty where it is one. One with a DTD of its own is none."""
    parser = expat.ParserCreate(namespace_separator=" ")
    inner: list[str] = []

    def doctype(name: str, system: str | None, public: str | None, has_internal: int) -> None:
        if has_internal:
            inner.append(name)

    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        return expat.ErrorString(error.code)
    except UnicodeEncodeError:
        return "it holds half a character"
    return "it brings a DTD of its own" if inner else ""


def elements_in(text: str) -> list[list[Element]]:
    """The outermost elements of a text that are closed, those beside each other together."""
    open_ones: list[Element] = []
    groups: dict[int, list[Element]] = {}
    closed: set[int] = set()
    at = 0
    while (start := text.find("<", at)) >= 0:
        if open_ones and text[at:start].strip():
            open_ones[-1].has_text = True
        at = _past(text, start, open_ones, groups, closed)
    return [group for parent, group in groups.items() if parent not in closed]


def has_path(elements: Sequence[Element], path: Sequence[str]) -> bool:
    """Whether elements beside each other hold what a path leads to: names, a number after one that occurs several times,
    and last `@_` with an attribute's name, or `#text` of an element that has more than text."""
    steps = deque(path)
    while steps:
        name = steps.popleft()
        named = [one for one in elements if one.name == name]
        if len(named) > 1 and steps:
            number = steps.popleft()
            named = [one for index, one in enumerate(named) if str(index) == number]
        if not named or not steps:
            return bool(named)
        one = named[0]
        if len(steps) == 1 and _is_said(one, steps[0]):
            return True
        elements = one.children
    return False


def _is_said(one: Element, last: str) -> bool:
    """Whether a path ends with what is no element."""
    if last == "#text":
        return one.has_text and bool(one.children or one.attributes)
    return last.startswith("@_") and last.removeprefix("@_") in one.attributes


def paths_of(target: JSON) -> list[str]:
    """The paths that are asked for: entries of a list, or of a text between commas."""
    if isinstance(target, str):
        return [part.strip() for part in target.split(",") if part.strip()]
    return [str(one) for one in target] if isinstance(target, list) else []


def _past(text: str, start: int, open_ones: list[Element], groups: dict[int, list[Element]], closed: set[int]) -> int:
    """Reads the tag, comment or declaration at `start`; where the text goes on."""
    for opening, ending in (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")):
        if text.startswith(opening, start):
            end = text.find(ending, start + len(opening))
            return len(text) if end < 0 else end + len(ending)
    is_closing = text.startswith("</", start)
    name = _NAME.match(text, start + 1 + is_closing)
    end = _tag_end(text, name.end()) if name else -1
    if name is None or end < 0:
        return start + 1
    if is_closing:
        if open_ones and open_ones[-1].name == name[0]:
            _close(open_ones.pop(), open_ones, groups, closed)
        else:
            open_ones.clear()
        return end + 1
    inside = text[name.end() : end]
    one = Element(name[0], start, frozenset(match[1] for match in _ATTRIBUTE.finditer(inside)))
    if inside.rstrip().endswith("/"):
        _close(one, open_ones, groups, closed)
    else:
        open_ones.append(one)
    return end + 1


def _close(one: Element, open_ones: list[Element], groups: dict[int, list[Element]], closed: set[int]) -> None:
    closed.add(one.start)
    if open_ones:
        open_ones[-1].children.append(one)
    groups.setdefault(open_ones[-1].start if open_ones else -1, []).append(one)


def _tag_end(text: str, at: int) -> int:
    """Where the tag ends, quoted `>` passed over; -1 where another one begins first, or none ends."""
    while match := _QUOTED_OR_END.match(text, at):
        if match["end"]:
            return match.end() - 1 if match["end"] == ">" else -1
        at = match.end()
    return -1
