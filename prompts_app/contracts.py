"""What a new version changes for those who call a prompt (its variables) and for those who read its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prompts_app.schema_containment import REFERENCES, TYPES, Level, Room, escapes
from registry.core.canonical import JSON, canonical_json

type Schema = Mapping[str, JSON]

RESPONSE = "$"


@dataclass(frozen=True, slots=True)
class ContractChange:
    """One change. `variable` is a variable's name, or a path into the answer that starts with `$` (names never do)."""

    variable: str
    change: str
    level: Level

    def to_json(self) -> dict[str, JSON]:
        return {"variable": self.variable, "change": self.change, "level": self.level}


def contract_changes(
    old_variables: JSON, new_variables: JSON, old_response: JSON, new_response: JSON
) -> tuple[ContractChange, ...]:
    """Changes of variables, then of the answer; breaking first within each, else in the order of the new version."""
    variables = sorted(variable_changes(old_variables, new_variables), key=_breaking_first)
    response = sorted(response_changes(old_response, new_response), key=_breaking_first)
    return (*variables, *response)


def is_breaking(changes: Iterable[ContractChange]) -> bool:
    return any(change.level == "breaking" for change in changes)


def variable_changes(old: JSON, new: JSON) -> tuple[ContractChange, ...]:
    """What happens to callers that go on sending what `old` (a JSON Schema of an object) asked for.

    A null schema asks for nothing. Breaking: added_required, made_required, retyped (some value that was accepted may be refused now) and rules_changed
    (something of the schema as a whole that is not understood, on the variable "*"). Compatible: added_optional,
    made_optional, widened. A removed variable is a notice: what is sent beyond the schema is ignored.
    """
    before, after, room = _Variables.read(old), _Variables.read(new), Room()
    moved = canonical_json(before.definitions) != canonical_json(after.definitions)
    changes = [change for name in after.schemas for change in _variable(name, before, after, room, moved=moved)]
    changes += [ContractChange(name, "removed", "notice") for name in before.schemas if name not in after.schemas]
    if before.rules != after.rules:
        changes.append(ContractChange("*", "rules_changed", "breaking"))
    return tuple(changes)


def response_changes(old: JSON, new: JSON) -> tuple[ContractChange, ...]:
    """What happens to readers of the answers: all they could rely on under `old` must hold under `new`.

    `old` and `new` are `response_format` values: null or type text (any text), json_object, json_schema with or without
    `strict`, or a bare JSON Schema. Breaking: whatever lets an answer through that the old schema refused (a property
    removed or no longer required, a type or limit widened, an enum value added), a schema dropped or no longer strict,
    and whatever is not understood. Notices: a schema where any text was allowed, and properties added to an object that
    was closed, since readers ignore what they do not know. All else is compatible.
    """
    if canonical_json(old) == canonical_json(new):
        return ()
    before, after = _Response.read(old), _Response.read(new)
    if before is None or after is None:
        return (ContractChange(RESPONSE, "not_understood", "breaking"),)
    if before.schema is None:
        return (ContractChange(RESPONSE, "schema_added", "notice"),) if after.schema is not None else ()
    if after.schema is None:
        return (ContractChange(RESPONSE, "schema_removed", "breaking"),)
    found = escapes(after.schema, before.schema, reader=True)
    changes = [ContractChange(escape.path, escape.change, escape.level) for escape in found]
    if before.is_strict and not after.is_strict:
        changes.append(ContractChange(RESPONSE, "no_longer_strict", "breaking"))
    if not changes and canonical_json(before.schema) != canonical_json(after.schema):
        changes.append(ContractChange(RESPONSE, "narrowed", "compatible"))
    return tuple(changes)


def _breaking_first(change: ContractChange) -> bool:
    return change.level != "breaking"


@dataclass(frozen=True, slots=True)
class _Variables:
    """A variable schema taken apart: each variable's own schema, which are required, and whatever else it says; `root` is all of
    it, into which references point."""

    schemas: Schema
    required: frozenset[str]
    definitions: dict[str, JSON]
    rules: str
    root: JSON

    @classmethod
    def read(cls, value: JSON) -> _Variables:
        schema = value if isinstance(value, dict) else {}
        properties, required = schema.get("properties"), schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        schemas = {**(properties if isinstance(properties, dict) else {})}
        schemas |= {name: {} for name in names if name not in schemas}
        definitions: dict[str, JSON] = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
        ignored = {
            "type",
            "properties",
            "required",
            "additionalProperties",
            "title",
            "description",
            "$schema",
            "$comment",
        }
        rest = {name: part for name, part in schema.items() if name not in ignored and name not in definitions}
        return cls(schemas, frozenset(names), definitions, canonical_json(rest), schema)


def _variable(name: str, before: _Variables, after: _Variables, room: Room, *, moved: bool) -> Iterable[ContractChange]:
    """What happens to one variable; `moved`: what schemas may refer to has changed."""
    is_required = name in after.required
    if name not in before.schemas:
        if is_required:
            yield ContractChange(name, "added_required", "breaking")
        else:
            yield ContractChange(name, "added_optional", "compatible")
        return
    was, now = before.schemas[name], after.schemas[name]
    text = canonical_json(was)
    if text != canonical_json(now) or (moved and any(f'"{name}"' in text for name in REFERENCES)):
        if escapes(was, now, roots=(before.root, after.root), room=room):
            yield ContractChange(name, "retyped", "breaking")
        elif escapes(now, was, roots=(after.root, before.root), room=room):
            yield ContractChange(name, "widened", "compatible")
    if is_required and name not in before.required:
        yield ContractChange(name, "made_required", "breaking")
    elif name in before.required and not is_required:
        yield ContractChange(name, "made_optional", "compatible")


@dataclass(frozen=True, slots=True)
class _Response:
    """What a `response_format` promises: a schema, or None for any text."""

    schema: JSON
    is_strict: bool

    @classmethod
    def read(cls, value: JSON) -> _Response | None:
        """None when its shape is not one of those known."""
        if value is None or value == {}:
            return cls(None, False)
        if not isinstance(value, dict):
            return None
        kind, wrapped = value.get("type"), value.get("json_schema", value)
        if kind == "text":
            return cls(None, False)
        if kind == "json_object":
            return cls({"type": "object"}, False)
        if kind == "json_schema":
            if not isinstance(wrapped, dict) or "schema" not in wrapped:
                return None
            return cls(wrapped["schema"], wrapped.get("strict") is True)
        is_schema = "type" not in value or isinstance(kind, list) or kind in TYPES
        return cls(value, False) if is_schema else None
