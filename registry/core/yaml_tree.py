"""YAML as a tree whose every part knows its line: bounded before anything is built, plain data only. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from registry.core.canonical import JSON, MAX_DEPTH, MAX_INT, MIN_INT
from registry.core.errors import invalid_field

MOST_CHARACTERS = 1_000_000
MOST_NODES = 200_000
_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE, _FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CORE = re.compile(r"tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)")


@dataclass(frozen=True, slots=True)
class Part:
    """A value with its line. `value` is a scalar, a list of parts, or parts by name."""

    line: int
    value: str | int | float | bool | list[Part] | dict[str, Part] | None = None

    def members(self) -> dict[str, Part]:
        """What an object has by name; nothing of what is none."""
        return self.value if isinstance(self.value, dict) else {}

    def entries(self) -> list[Part]:
        """What a list holds; nothing of what is none."""
        return self.value if isinstance(self.value, list) else []

    def text(self) -> str:
        """A string; empty for anything else."""
        return self.value if isinstance(self.value, str) else ""

    def plain(self) -> JSON:
        """The same without lines."""
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        if isinstance(self.value, dict):
            return {name: part.plain() for name, part in self.value.items()}
        return self.value

    def walk(self) -> Iterator[Part]:
        """This part and all within it."""
        yield self
        inner = self.value if isinstance(self.value, list) else self.members().values()
        for part in inner:
            yield from part.walk()


@dataclass
class _Budget:
    """What aliases may still multiply: parts, and the characters in them."""

    left: int = MOST_NODES
    characters: int = MOST_CHARACTERS
    open: set[int] = field(default_factory=set)

    def take(self, line: int, characters: int, *, parts: int = 1) -> None:
        self.left -= parts
        self.characters -= characters
        if self.left < 0 or self.characters < 0:
            what = f"{MOST_NODES:,} parts or {MOST_CHARACTERS:,} characters"
            raise _refused(line, f"aliases and values come to more than {what}")


def read_yaml(text: str) -> Part:
    """The tree of one YAML 1.2 document; raises Invalid, with the line, for what is no plain data or too much of it.

    Tags, duplicate keys, keys that are no text, cycles, and aliases that multiply beyond 200,000 parts or a million characters
    are refused.
    """
    if len(text) > MOST_CHARACTERS:
        raise invalid_field(
            "file", "length", f"At most {MOST_CHARACTERS:,} characters of YAML are read: split the file."
        )
    reader = YAML(typ="safe", pure=True)
    reader.max_depth = MAX_DEPTH
    try:
        node = reader.compose(text)
    except RecursionError:
        raise invalid_field("file", "depth", f"The YAML is nested deeper than {MAX_DEPTH} levels.") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"Line {mark.line + 1}: " if mark else ""
        raise invalid_field(
            "file", "yaml", f"{where}this is not YAML: {error.problem or error.context or 'unreadable'}."
        ) from None
    except (YAMLError, ValueError) as error:
        raise invalid_field("file", "yaml", f"This is not YAML: {str(error).splitlines()[0][:200]}.") from None
    if node is None:
        raise invalid_field("file", "required", "There is nothing in it.")
    return _part(node, _Budget(), 0)


def _part(node: Node, budget: _Budget, depth: int) -> Part:
    line = int(node.start_mark.line) + 1
    budget.take(line, len(node.value) if isinstance(node, ScalarNode) else 0)
    if depth > MAX_DEPTH:
        raise _refused(line, f"nested deeper than {MAX_DEPTH} levels")
    if id(node) in budget.open:
        raise _refused(line, "an alias to itself")
    if isinstance(node, ScalarNode):
        return Part(line, _scalar(node, line))
    if not _CORE.fullmatch(str(node.tag)):
        raise _refused(line, f"the tag {str(node.tag)[:60]} is not plain data: write the value itself")
    budget.open.add(id(node))
    try:
        if isinstance(node, SequenceNode):
            return Part(line, [_part(one, budget, depth + 1) for one in node.value])
        return Part(line, _members(node, budget, depth))
    finally:
        budget.open.discard(id(node))


def _members(node: Node, budget: _Budget, depth: int) -> dict[str, Part]:
    assert isinstance(node, MappingNode)
    own: dict[str, Part] = {}
    merged: dict[str, Part] = {}
    for key, value in node.value:
        line = int(key.start_mark.line) + 1
        if not isinstance(key, ScalarNode):
            raise _refused(line, "a key must be text")
        budget.take(line, len(key.value), parts=0)
        part = _part(value, budget, depth + 1)
        if key.value == "<<" and not key.style:
            for one in part.entries() or [part]:
                for name, member in one.members().items():
                    merged.setdefault(name, member)
            continue
        if key.value in own:
            raise _refused(line, f"the key {key.value[:60]!r} is there twice")
        own[key.value] = part
    return {**{name: part for name, part in merged.items() if name not in own}, **own}


def _scalar(node: ScalarNode, line: int) -> str | int | float | bool | None:
    text = str(node.value)
    tag = str(node.tag)
    if not _CORE.fullmatch(tag) and not tag.endswith((":timestamp", ":merge", ":value")):
        raise _refused(line, f"the tag {tag[:60]} is not plain data: write the value itself")
    if node.style is not None or tag.endswith(":str"):
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        number = int(text, 0) if text[:2] in {"0o", "0x"} else int(text) if len(text) < 40 else MAX_INT + 1
        return number if MIN_INT <= number <= MAX_INT else text
    if _FLOAT.fullmatch(text):
        return _finite(text)
    return text


def _finite(text: str) -> float | str:
    number = float(text)
    return text if number in (float("inf"), float("-inf")) else number


def _refused(line: int, what: str) -> Exception:
    return invalid_field("file", "yaml", f"Line {line}: {what}.")
