"""Includes: a tag in a text stands for another prompt's text, resolved and pinned when the version is saved.

The tag is `@@@langfusePrompt:name=N|version=V@@@` or `@@@langfusePrompt:name=N|label=L@@@`. Expansion is of text, before
any template is parsed; what the tag stood for is kept as a pin, so that nothing moves afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from prompts_app.content import MAX_TEMPLATE_BYTES, IncludePin, Message, Placeholder, TemplateSource, texts
from registry.core.canonical import JSON
from registry.core.errors import Invalid

MAX_DEPTH = 5
MAX_TAGS = 200
_TAG = re.compile(r"@@@langfusePrompt:(.*?)@@@")
_PARTS = re.compile(r"name=(?P<name>[^|]+)\|(?:version=(?P<version>[1-9]\d{0,8})|label=(?P<label>[^|]+))")


@dataclass(frozen=True)
class IncludeTag:
    """One tag as written: `version` or `label` is set; `start` and `end` are its place in the text."""

    name: str
    version: int | None = None
    label: str | None = None
    start: int = 0
    end: int = 0

    @property
    def key(self) -> TagKey:
        """What makes two tags the same."""
        return self.name, self.version, self.label


@dataclass(frozen=True)
class ResolvedInclude:
    """The version a tag stands for: its text as edited, tags kept, and `pins`, the includes saved with that version."""

    name: str
    version: int
    digest: str
    text: str
    kind: str
    pins: tuple[IncludePin, ...] = ()


@dataclass(frozen=True)
class Expanded:
    """A source without tags, and one pin for each distinct tag it had, in reading order."""

    source: TemplateSource
    pins: tuple[IncludePin, ...]


type TagKey = tuple[str, int | None, str | None]
type Resolve = Callable[[IncludeTag], ResolvedInclude]


def find_includes(text: str) -> list[IncludeTag]:
    """The tags of a text in order. Raises Invalid `include.malformed`, naming the line of a tag that says neither."""
    tags = []
    for match in _TAG.finditer(text):
        parts = _PARTS.fullmatch(match.group(1))
        if parts is None:
            line = text.count("\n", 0, match.start()) + 1
            detail = f"Line {line}: an include needs name=…|version=… or name=…|label=…."
            raise Invalid("include.malformed", detail, line=line)
        version = int(parts["version"]) if parts["version"] else None
        tags.append(IncludeTag(parts["name"], version, parts["label"], match.start(), match.end()))
    return tags


def expand(source: TemplateSource, resolve: Resolve, *, own_name: str) -> Expanded:
    """`source` with every tag of its texts replaced; `own_name` is the prompt being saved ("" where there is none yet).

    `resolve` is asked once per distinct tag; tags inside an included text are asked for by the version they were pinned
    to. Raises Invalid: `include.malformed`, `include.kind` (only text prompts can be included), `include.cycle`,
    `include.depth` (more than 5 levels), `include.too_many` (200), `include.too_large`, and whatever `resolve` raises.
    """
    tags = distinct_tags(source)
    if not tags:
        return Expanded(source, ())
    expansion = _Expansion(resolve)
    bodies = {
        key: body.text for key, body in expansion.include_all([(tag.key, tag) for tag in tags], (own_name,)).items()
    }
    room = MAX_TEMPLATE_BYTES

    def filled(text: str) -> str:
        nonlocal room
        made = _fill(text, bodies, room)
        room -= len(made)
        return made

    expanded = _each_text(source, filled)
    if sum(len(text.encode()) for text in texts(expanded)) > MAX_TEMPLATE_BYTES:
        raise _too_large()
    return Expanded(expanded, tuple(expansion.pin(tag) for tag in tags))


def distinct_tags(source: TemplateSource) -> list[IncludeTag]:
    """Each tag of a source once, in reading order: what a version's `includes` stand beside, one by one."""
    return _distinct(tag for text in texts(source) for tag in find_includes(text))


def repinned(source: TemplateSource, name: str, number: int) -> TemplateSource:
    """`source` with every tag that names a version of that prompt naming this one; tags by label stay."""

    def change(text: str) -> str:
        pieces, position = [], 0
        for tag in find_includes(text):
            if tag.name == name and tag.version is not None:
                pieces += [text[position : tag.start], f"@@@langfusePrompt:name={name}|version={number}@@@"]
                position = tag.end
        return "".join([*pieces, text[position:]])

    return _each_text(source, change)


@dataclass(frozen=True)
class _Body:
    """What a version expands to, how many levels of versions that took (1: no tags) and the prompts it went through."""

    text: str
    height: int
    names: frozenset[str]


@dataclass
class _Expansion:
    """One expansion under way: what was resolved so far by tag, and expanded so far by version."""

    resolve: Resolve
    found: dict[TagKey, ResolvedInclude] = field(default_factory=dict)
    bodies: dict[tuple[str, int], _Body] = field(default_factory=dict)
    read: int = 0

    def include(self, tag: IncludeTag, chain: tuple[str, ...]) -> _Body:
        """The body a tag stands for; `chain` are the names of the prompts around it, the outermost first."""
        path = " → ".join(filter(None, (*chain, tag.name)))
        if tag.name in chain:
            raise _cycle(path)
        if len(chain) > MAX_DEPTH:
            raise _too_deep(path)
        target = self._target(tag)
        if target.kind != "text":
            raise Invalid("include.kind", f"{tag.name} is a {target.kind} prompt; only text prompts can be included.")
        known = self.bodies.get((target.name, target.version))
        body = known or self._expand(target, (*chain, tag.name))
        if body.names.intersection(chain):
            raise _cycle(path)
        if len(chain) + body.height - 1 > MAX_DEPTH:
            raise _too_deep(path)
        self.bodies[target.name, target.version] = body
        return body

    def include_all(self, tags: Iterable[tuple[TagKey, IncludeTag]], chain: tuple[str, ...]) -> dict[TagKey, _Body]:
        """The bodies by the tags that stand for them in one text: together no larger than that may become."""
        found: dict[TagKey, _Body] = {}
        size = 0
        for key, tag in tags:
            found[key] = self.include(tag, chain)
            size += len(found[key].text)
            if size > MAX_TEMPLATE_BYTES:
                raise _too_large()
        return found

    def pin(self, tag: IncludeTag) -> IncludePin:
        target = self.found[tag.key]
        return IncludePin(target.name, target.version, target.digest)

    def _expand(self, target: ResolvedInclude, chain: tuple[str, ...]) -> _Body:
        tags = _distinct(find_includes(target.text))
        pinned = [(tag.key, IncludeTag(pin.name, pin.version)) for tag, pin in zip(tags, target.pins, strict=True)]
        inner = self.include_all(pinned, chain)
        text = _fill(target.text, {key: body.text for key, body in inner.items()}, MAX_TEMPLATE_BYTES)
        height = 1 + max((body.height for body in inner.values()), default=0)
        return _Body(text, height, frozenset({target.name}).union(*(body.names for body in inner.values())))

    def _target(self, tag: IncludeTag) -> ResolvedInclude:
        if tag.key not in self.found:
            if len(self.found) >= MAX_TAGS:
                raise Invalid("include.too_many", f"More than {MAX_TAGS} different includes are needed.")
            self.found[tag.key] = self.resolve(tag)
            self.read += len(self.found[tag.key].text)
            if self.read > 2 * MAX_TEMPLATE_BYTES:  # all of it would be in the text, but for the tags in it
                raise _too_large()
        return self.found[tag.key]


def _fill(text: str, bodies: Mapping[TagKey, str], room: int) -> str:
    """`text` with its tags replaced, at most `room` characters; the size is known before anything is built."""
    tags = find_includes(text)
    if len(text) + sum(len(bodies[tag.key]) - (tag.end - tag.start) for tag in tags) > room:
        raise _too_large()
    pieces, position = [], 0
    for tag in tags:
        pieces += [text[position : tag.start], bodies[tag.key]]
        position = tag.end
    return "".join([*pieces, text[position:]])


def _distinct(tags: Iterable[IncludeTag]) -> list[IncludeTag]:
    found: dict[TagKey, IncludeTag] = {}
    for tag in tags:
        found.setdefault(tag.key, tag)
    return list(found.values())


def _each_text(source: TemplateSource, change: Callable[[str], str]) -> TemplateSource:
    if source.messages is None:
        return replace(source, text=change(source.text or ""))
    turns: list[Message | Placeholder] = []
    for turn in source.messages:
        if isinstance(turn, Message):
            content = turn.content
            new = change(content) if isinstance(content, str) else tuple(_part(part, change) for part in content)
            turns.append(Message(turn.role, new))
        else:
            turns.append(turn)
    return replace(source, messages=tuple(turns))


def _part(part: JSON, change: Callable[[str], str]) -> JSON:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return {**part, "text": change(str(part["text"]))}
    return part


def _cycle(path: str) -> Invalid:
    return Invalid("include.cycle", f"Prompts include each other in a circle: {path}.")


def _too_deep(path: str) -> Invalid:
    return Invalid("include.depth", f"Includes are nested deeper than {MAX_DEPTH} levels: {path}.")


def _too_large() -> Invalid:
    return Invalid("include.too_large", f"With its includes the template is larger than {MAX_TEMPLATE_BYTES:,} bytes.")
