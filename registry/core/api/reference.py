"""The OpenAPI document laid out for reading: sections, operations, and every field on a line. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
DEEPEST = 3


@dataclass(frozen=True)
class Line:
    """One field or parameter; `name` is its path, such as `approvals[].by`. `required` is said of what is sent."""

    name: str
    type: str
    required: bool
    text: str
    where: str = ""


@dataclass(frozen=True)
class Outcome:
    """One answer by its status; errors have no lines, since they all look alike."""

    status: str
    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    parameters: tuple[Line, ...]
    body: tuple[Line, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Section:
    """The operations under one tag."""

    name: str
    operations: tuple[Operation, ...]


def sections(document: Mapping[str, Any]) -> tuple[Section, ...]:
    """Everything in the document, by tag, in its order."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                tag = (methods[method].get("tags") or ["other"])[0]
                found.setdefault(tag, []).append(_operation(document, path, method, methods[method]))
    return tuple(Section(tag, tuple(operations)) for tag, operations in found.items())


def problem_lines(document: Mapping[str, Any]) -> tuple[Line, ...]:
    """The fields that every error has."""
    return tuple(_lines(document, {"$ref": "#/components/schemas/Problem"}, "", 0))


def _operation(document: Mapping[str, Any], path: str, method: str, about: Mapping[str, Any]) -> Operation:
    body = _schema_of(about.get("requestBody", {}))
    return Operation(
        id=about["operationId"],
        method=method.upper(),
        path=path,
        summary=about.get("summary", ""),
        text=about.get("description", ""),
        parameters=tuple(_parameter(document, one) for one in about.get("parameters", ())),
        body=tuple(_lines(document, body, "", 0)) if body else (),
        outcomes=tuple(_outcome(document, status, one) for status, one in about["responses"].items()),
    )


def _parameter(document: Mapping[str, Any], one: Mapping[str, Any]) -> Line:
    kind = _type(document, one.get("schema", {}))
    return Line(one["name"], kind, one.get("required", False), one.get("description", ""), one["in"])


def _outcome(document: Mapping[str, Any], status: str, one: Mapping[str, Any]) -> Outcome:
    schema = _schema_of(one) if status < "400" else None
    lines = _lines(document, schema, "", 0) if schema else ()
    return Outcome(status, one.get("description", ""), tuple(replace(line, required=False) for line in lines))


def _schema_of(holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content: Mapping[str, Any] = holder.get("content", {})
    return next((kind.get("schema") for kind in content.values()), None)


def _lines(document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str, depth: int) -> Iterator[Line]:
    target = _resolve(document, schema)
    for name, about in target.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        field = _resolve(document, about)
        text = about.get("description") or ("" if "properties" in field else field.get("description", ""))
        yield Line(path, _type(document, about), name in target.get("required", ()), text)
        inner = _resolve(document, field.get("items", {})) if _is_list(field) else field
        if depth < DEEPEST and "properties" in inner:
            yield from _lines(document, inner, f"{path}[]" if _is_list(field) else path, depth + 1)


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference stands for, also where it is one of several with null."""
    for key in ("oneOf", "anyOf", "allOf"):
        chosen = [one for one in schema.get(key, ()) if one.get("type") != "null"]
        if len(chosen) == 1:
            return _resolve(document, chosen[0])
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _is_list(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    field = _resolve(document, schema)
    nullable = field is not schema and any(one.get("type") == "null" for one in schema.get("oneOf", ()))
    kinds = field.get("type", "any JSON")
    words = [str(kind) for kind in kinds] if isinstance(kinds, list) else [str(kinds)]
    if _is_list(field):
        of = _type(document, field.get("items", {}))
        words = [f"list of {of}" if word == "array" else word for word in words]
    if "enum" in field:
        words = ["one of " + ", ".join(str(one) for one in field["enum"] if one is not None)]
    if field.get("format") in {"date-time", "email"}:
        words = [str(field["format"]) if word == "string" else word for word in words]
    return " or ".join([*words, "null"] if nullable and "null" not in words else words)
