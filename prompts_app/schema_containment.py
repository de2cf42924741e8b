"""Whether every value of one JSON Schema is a value of another, decided conservatively."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from registry.core.canonical import JSON, canonical_json

type Level = Literal["breaking", "notice", "compatible"]
type Schema = Mapping[str, JSON]

ANNOTATIONS = frozenset(
    [
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
        "$defs",
        "definitions",
    ]
)
TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
LEAST = {"minLength": "string", "minItems": "array", "minProperties": "object"}
MOST = {"maxLength": "string", "maxItems": "array", "maxProperties": "object"}
EXACT = {"pattern": "string", "format": "string", "multipleOf": "number", "uniqueItems": "array"}
RANGE = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
STRUCTURE = frozenset({"type", "enum", "const", "properties", "required", "additionalProperties", "items"})
UNDERSTOOD = ANNOTATIONS | STRUCTURE | LEAST.keys() | MOST.keys() | EXACT.keys() | set(RANGE)
SHAPES: Mapping[str, tuple[type, ...]] = {
    "enum": (list,),
    "required": (list,),
    "properties": (dict,),
    "items": (dict, bool),
    "additionalProperties": (dict, bool),
}
# What these mean depends on other parts of the schema: never taken as the same because they read the same.
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
FAR_REACHING = (*REFERENCES, "$id", "$anchor", "unevaluatedProperties", "unevaluatedItems")
MAX_STEPS, MAX_DEPTH = 20_000, 100
MAX_ROOM = 60_000  # steps of all comparisons that belong together
LONGEST_PATH = 2_000  # each way in which a value escapes names its path: below a long key there may be many
ENTRIES_OF_A_STEP = 50  # of lists that are gone through


@dataclass(frozen=True, slots=True)
class Escape:
    """Where a value of the inner schema can fall outside the outer one; `path` is a JSONPath such as `$.items[*].id`."""

    path: str
    change: str
    level: Level = "breaking"


@dataclass
class Room:
    """The steps left to comparisons that belong together, and what they read of the schemas, each part once."""

    left: int = MAX_ROOM
    texts: dict[int, tuple[object, str]] = field(default_factory=dict)
    values: dict[int, tuple[object, frozenset[str]]] = field(default_factory=dict)

    def rest(self, schema: Schema) -> str:
        """`_rest` of a schema; what it was read from is kept, so that no other one gets its id."""
        if id(schema) not in self.texts:
            self.texts[id(schema)] = (schema, _rest(schema))
        return self.texts[id(schema)][1]

    def canonical(self, values: list[JSON]) -> frozenset[str]:
        """The values of an enum as canonical texts."""
        if id(values) not in self.values:
            self.values[id(values)] = (values, frozenset(canonical_json(value) for value in values))
        return self.values[id(values)][1]


def escapes(
    inner: JSON,
    outer: JSON,
    *,
    reader: bool = False,
    roots: tuple[JSON, JSON] | None = None,
    room: Room | None = None,
) -> tuple[Escape, ...]:
    """All ways found in which a value valid under `inner` may not be valid under `outer`; none: every value is.

    Sound and incomplete: what is not understood (`not`, `if`, `contains`, `patternProperties`, unknown keywords …) must
    be the same on both sides, or it is an escape "not_understood". Titles, descriptions and defaults do not count.

    With `reader`, for outputs that somebody reads: a reader ignores properties it does not know, so those added to a
    closed object are a notice only (strict mode closes every object, it is no promise), and a property that the inner
    schema no longer names is breaking even where it was optional. Then none breaking means: every value valid under
    `inner` is valid under `outer` with its objects opened.

    `roots` are what references of each one point into, where that is not itself; nothing is taken as the same unread then.
    Bounded by steps, those of all with one `room` together: what lies beyond is an escape.
    """
    if roots is None and canonical_json(inner) == canonical_json(outer):
        return ()
    comparison = _Comparison(roots or (inner, outer), reader, room or Room())
    return tuple(dict.fromkeys(comparison.walk(inner, outer, "$")))


class _Comparison:
    """One walk over two schemas; references are resolved within each one's own root."""

    def __init__(self, roots: tuple[JSON, JSON], reader: bool, room: Room) -> None:
        (self.inner_root, self.outer_root), self.reader, self.room = roots, reader, room
        self.steps = 0
        self.in_progress: dict[tuple[int, int], str] = {}

    def walk(self, inner: JSON, outer: JSON, path: str) -> list[Escape]:
        """Escapes of `inner` from `outer`.

        A pair met again deeper in the value, while it is being decided, holds: values are finite. Met again at the same
        place it is a reference that goes in a circle.
        """
        self._pay(1)
        if len(path) > LONGEST_PATH:
            return [Escape(f"{path[:LONGEST_PATH]}…", "not_understood")]
        pair = (id(inner), id(outer))
        if pair in self.in_progress and self.in_progress[pair] != path:
            return []
        if pair in self.in_progress or self._is_spent or len(self.in_progress) > MAX_DEPTH:
            return [Escape(path, "not_understood")]
        self.in_progress[pair] = path
        try:
            return self._decide(inner, outer, path)
        finally:
            del self.in_progress[pair]

    def _pay(self, steps: int) -> None:
        self.steps += steps
        self.room.left -= steps

    @property
    def _is_spent(self) -> bool:
        return self.steps > MAX_STEPS or self.room.left < 0

    def _decide(self, inner: JSON, outer: JSON, path: str) -> list[Escape]:
        if outer is True or outer == {} or inner is False:
            return []
        if outer is False:
            return [Escape(path, "type_changed")]
        if inner is True:
            inner = {}
        if not isinstance(inner, dict) or not isinstance(outer, dict):
            return [Escape(path, "not_understood")]
        if (target := _target(inner, self.inner_root)) is not None:
            return self.walk(target, outer, path)
        if (target := _target(outer, self.outer_root)) is not None:
            return self.walk(inner, target, path)
        if (branches := _alternatives(inner, "anyOf", "oneOf")) is not None:
            return [escape for branch in branches for escape in self.walk(branch, outer, path)]
        if (branches := _alternatives(outer, "anyOf")) is not None:
            return self._some(inner, branches, path)
        return list(self._plain(inner, outer, path))

    def _some(self, inner: Schema, branches: list[JSON], path: str) -> list[Escape]:
        """Type by type, the inner schema lies within one of the branches."""
        types = inner.get("type")
        parts = [{**inner, "type": one} for one in types] if isinstance(types, list) else [inner]
        for part in parts:
            tries = [self.walk(cast("JSON", part), branch, path) for branch in branches]
            if not any(_holds(found) for found in tries):
                return min(tries, key=len) if len(tries) == 1 else [Escape(path, "type_changed")]
        return []

    def _plain(self, inner: Schema, outer: Schema, path: str) -> Iterator[Escape]:
        self._pay((_entries(inner) + _entries(outer)) // ENTRIES_OF_A_STEP)
        rest = self.room.rest(inner)
        if rest != self.room.rest(outer) or any(f'"{name}"' in rest for name in FAR_REACHING):
            yield Escape(path, "not_understood")
            return
        possible, allowed = _possible_types(inner), _declared_types(outer)
        if possible is None or allowed is None:
            yield Escape(path, "not_understood")
            return
        if not all(one in allowed or (one == "integer" and "number" in allowed) for one in possible):
            yield Escape(path, "type_changed")
            return
        yield from self._values(inner, outer, path)
        yield from _limits(inner, outer, possible, path)
        if "object" in possible:
            yield from self._objects(inner, outer, path)
        items = outer.get("items", True)
        if "array" in possible and (items is False or isinstance(items, dict)):
            yield from self.walk(inner.get("items", True), items, path + "[*]")

    def _values(self, inner: Schema, outer: Schema, path: str) -> Iterator[Escape]:
        allowed, possible = _finite(outer), _finite(inner)
        if allowed is None:
            return
        if possible is None:
            yield Escape(path, "enum_removed")
        elif not self.room.canonical(possible) <= self.room.canonical(allowed):
            yield Escape(path, "enum_value_added")

    def _objects(self, inner: Schema, outer: Schema, path: str) -> Iterator[Escape]:
        mine, theirs = _object(inner.get("properties")), _object(outer.get("properties"))
        extra = outer.get("additionalProperties", True)
        mine_extra = inner.get("additionalProperties", True)
        unnamed: JSON = True if "patternProperties" in inner else mine_extra
        required = _names(inner.get("required"))
        for name in sorted(_names(outer.get("required")) - required):
            if name in mine or name not in theirs or not self.reader:
                yield Escape(_step(path, name), "property_made_optional")
        for name, schema in theirs.items():
            if name not in mine and self.reader:
                yield Escape(_step(path, name), "property_removed")
            else:
                yield from self.walk(mine.get(name, unnamed), schema, _step(path, name))
        for name in [name for name in mine if name not in theirs]:
            yield from self._added(mine[name], extra, _step(path, name))
        if mine_extra is not False and extra is not True:
            if extra is False:
                yield Escape(path, "object_opened", "notice" if self.reader else "breaking")
            else:
                yield from self.walk(mine_extra, extra, path + ".*")

    def _added(self, schema: JSON, extra: JSON, path: str) -> Iterator[Escape]:
        """A property only the inner schema names, which the outer one takes as any other (`additionalProperties`)."""
        if extra is False:
            yield Escape(path, "property_added", "notice" if self.reader else "breaking")
            return
        if self.reader:
            yield Escape(path, "property_added", "compatible")
        yield from self.walk(schema, extra, path)


def _holds(found: list[Escape]) -> bool:
    return all(escape.level != "breaking" for escape in found)


def _limits(inner: Schema, outer: Schema, possible: frozenset[str], path: str) -> Iterator[Escape]:
    """Bounds and the like of `outer` that `inner` does not imply, for the types that occur."""
    numeric = bool(possible & {"number", "integer"})
    loosened = any(
        kind in possible and name in outer and not _implies(inner.get(name), outer[name], sign)
        for sign, names in ((1, LEAST), (-1, MOST))
        for name, kind in names.items()
    )
    for name, kind in EXACT.items():
        if outer.get(name, False) is not False and (kind in possible or (numeric and kind == "number")):
            loosened = loosened or canonical_json(inner.get(name)) != canonical_json(outer[name])
    if numeric:
        for sign, closed, strict in ((1, "minimum", "exclusiveMinimum"), (-1, "maximum", "exclusiveMaximum")):
            loosened = loosened or not _within(inner, outer, sign, closed, strict)
    if loosened:
        yield Escape(path, "limit_loosened")


def _within(inner: Schema, outer: Schema, sign: int, closed: str, strict: str) -> bool:
    """The inner range keeps the outer one's bound: downwards with `sign` 1, upwards with -1."""
    return (
        closed not in outer
        or _implies(inner.get(closed), outer[closed], sign)
        or _implies(inner.get(strict), outer[closed], sign)
    ) and (
        strict not in outer
        or _implies(inner.get(strict), outer[strict], sign)
        or _implies(inner.get(closed), outer[strict], sign, equal=False)
    )


def _implies(mine: JSON, theirs: JSON, sign: int, *, equal: bool = True) -> bool:
    if not _is_number(mine) or not _is_number(theirs):
        return False
    a, b = sign * cast("float", mine), sign * cast("float", theirs)
    return a > b or (equal and a == b)


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _target(schema: Schema, root: JSON) -> JSON:
    """What `schema` stands for when it is only a local reference, or an allOf of one; else None."""
    keys = schema.keys() - ANNOTATIONS
    both = schema.get("allOf")
    if keys == {"allOf"} and isinstance(both, list) and len(both) == 1:
        return both[0]
    reference = schema.get("$ref")
    if keys != {"$ref"} or not isinstance(reference, str) or not f"{reference}/".startswith("#/"):
        return None
    found: JSON = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _alternatives(schema: Schema, *names: str) -> list[JSON] | None:
    """The branches of a schema that is nothing but anyOf (or oneOf)."""
    keys = schema.keys() - ANNOTATIONS
    for name in names:
        branches = schema.get(name)
        if keys == {name} and isinstance(branches, list) and branches:
            return branches
    return None


def _declared_types(schema: Schema) -> frozenset[str] | None:
    """The types the schema names, all of them when it names none; None when they make no sense."""
    declared = schema.get("type")
    if declared is None:
        return TYPES if "type" not in schema else None
    names = declared if isinstance(declared, list) else [declared]
    if not names or not all(isinstance(name, str) and name in TYPES for name in names):
        return None
    return frozenset(cast("list[str]", names))


def _possible_types(schema: Schema) -> frozenset[str] | None:
    """At least the types that values of the schema have: those of an enum's values where there is one."""
    declared, values = _declared_types(schema), _finite(schema)
    return declared if values is None or declared is None else frozenset(_type(value) for value in values)


def _type(value: JSON) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _finite(schema: Schema) -> list[JSON] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _entries(schema: Schema) -> int:
    """How many entries its lists and objects have."""
    return sum(len(value) for value in schema.values() if isinstance(value, list | dict))


def _rest(schema: Schema) -> str:
    """Canonical text of the keywords that are not understood, or are not of the shape understood."""
    odd = {name: value for name, value in schema.items() if name not in UNDERSTOOD}
    for name, shape in SHAPES.items():
        if name in schema and not isinstance(schema[name], shape):
            odd[name] = schema[name]
    if "const" in schema and "enum" in schema:
        odd |= {"const": schema["const"], "enum": schema["enum"]}
    return canonical_json(odd)


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _names(value: JSON) -> set[str]:
    return {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()


def _step(path: str, name: str) -> str:
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{canonical_json(name)}]"
