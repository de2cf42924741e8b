"""The contract of a template: a JSON Schema object over its variables, given by the author or worked out from names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from prompts_app.patterns import mistake_in, patterns_in, too_costly
from registry.core.canonical import JSON, canonical_json
from registry.core.errors import FieldError, Invalid

MAX_SCHEMA_CHARACTERS = 200_000
# The validator takes a second for ten thousand of them.
MAX_SUBSCHEMAS = 5_000
_REFERENCES = ("$ref", "$dynamicRef")
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_PLAIN_KEYWORDS = frozenset({"type", "title", "description", "default", "examples", "$comment", "deprecated"})
_FORMATS = FormatChecker(formats=())
_PLAIN_TOP = _PLAIN_KEYWORDS | {"$schema", "properties", "required", "additionalProperties"}


def effective_schema(given: dict[str, JSON] | None, names: Sequence[str]) -> dict[str, JSON]:
    """The schema a version is stored with; `names` are the variables its template uses.

    Nothing given: each name is a required variable of any type. Given: the author's own, after `check_schema`, and
    Invalid `variables.undeclared` names every variable that is used and not among its properties.
    """
    if given is None:
        required: list[JSON] = list(names)
        return {"type": "object", "properties": {name: {} for name in names}, "required": required}
    check_schema(given)
    declared = given.get("properties")
    missing = [name for name in names if not isinstance(declared, dict) or name not in declared]
    if missing:
        errors = [FieldError(f"variables.properties.{name}", "undeclared", "is used, not declared") for name in missing]
        listed = ", ".join(missing)
        raise Invalid("variables.undeclared", f"Used in the template but not declared: {listed}.", errors=errors)
    return given


def check_schema(schema: dict[str, JSON], path: str = "variables") -> None:
    """Raises Invalid `variables.schema` unless `schema` is JSON Schema 2020-12 about an object, with local `$ref`s only."""
    problem = schema_problem(schema)
    if problem:
        where, message = problem
        field = path + where
        raise Invalid("variables.schema", f"{field}: {message}", errors=[FieldError(field, "schema", message)])
    if schema.get("type", "object") != "object":
        message = "must describe an object"
        error = FieldError(f"{path}.type", "schema", message)
        raise Invalid("variables.schema", f"{path}.type {message}.", errors=[error])


def quick_mistakes(schema: Mapping[str, JSON], values: Mapping[str, JSON]) -> list[FieldError] | None:
    """What is missing or mistyped, for the common schemas that say no more than names, types and required.

    None where the schema says more: then a full validator has to look, away from this process (patterns can run for
    ever). Variables that are not among the properties are ignored.
    """
    properties = schema.get("properties", {})
    if not _PLAIN_TOP.issuperset(schema) or not isinstance(properties, dict):
        return None
    kinds: dict[str, JSON] = {}
    for name, about in properties.items():
        if not isinstance(about, dict) or not _PLAIN_KEYWORDS.issuperset(about):
            return None
        kinds[name] = about.get("type")
    required = schema.get("required", [])
    absent = [str(name) for name in required if name not in values] if isinstance(required, list) else []
    mistakes = [missing_variable(name) for name in absent]
    for name, kind in kinds.items():
        if kind is not None and name in values and not _is_a(values[name], kind):
            mistakes.append(mistyped_variable(name, kind))
    return mistakes


def missing_variable(name: str) -> FieldError:
    return FieldError(f"variables.{name}", "missing", "is required")


def mistyped_variable(name: str, kind: JSON) -> FieldError:
    return FieldError(f"variables.{name}", "type", f"must be of type {type_words(kind)}")


def type_words(kind: JSON) -> str:
    """The value of the keyword `type` in words: `string or null`."""
    return " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _is_a(value: JSON, kind: JSON) -> bool:
    if isinstance(kind, list):
        return any(_is_a(value, one) for one in kind)
    match kind:
        case "integer":
            return not isinstance(value, bool) and (isinstance(value, int) or value == _whole(value))
        case "number":
            return not isinstance(value, bool) and isinstance(value, int | float)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return value is None


def _whole(value: JSON) -> int | None:
    return int(value) if isinstance(value, float) else None


def schema_problem(schema: dict[str, JSON]) -> tuple[str, str] | None:
    """What keeps `schema` from being a JSON Schema 2020-12 with local references: where (a path suffix) and what; or None."""
    if len(canonical_json(schema)) > MAX_SCHEMA_CHARACTERS:
        return "", f"has more than {MAX_SCHEMA_CHARACTERS:,} characters"
    if why := too_costly(pattern for _, pattern in patterns_in(schema)):
        return "", why
    less_plain = _less_plain(schema)
    if _has_too_many_parts(less_plain):
        return "", f"has more than {MAX_SUBSCHEMAS:,} schemas within it"
    try:
        Draft202012Validator.check_schema(less_plain, format_checker=_FORMATS)
    except SchemaError as error:
        return error.json_path.removeprefix("$"), error.message
    except RecursionError:
        return "", "is too deep to read"
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for where, keyword, value in _keywords(schema, ""):
        if keyword == "$id":
            return where, "must not rename the schema: references are local"
        if keyword in _REFERENCES:
            if not value.startswith("#"):
                return where, "must point inside this schema (#…): nothing is fetched"
            try:
                resolver.lookup(value)
            except Unresolvable:
                return where, "points to nothing"
    return None


@_FORMATS.checks("regex")
def _is_regex(value: object) -> bool:
    """The one format that schemas of schemas ask for here; a pattern that takes long is for the worker to read."""
    return not isinstance(value, str) or not mistake_in(value)


def _has_too_many_parts(schema: JSON) -> bool:
    """Whether there are more objects and booleans, each of which may be a schema, than are looked at."""
    todo, left = [schema], MAX_SUBSCHEMAS
    while todo and left >= 0:
        node = todo.pop()
        left -= isinstance(node, dict | bool)
        todo.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
    return left < 0


def _less_plain(schema: dict[str, JSON]) -> dict[str, JSON]:
    """The schema without those properties that cannot be wrong: the validator takes seconds for thousands of them."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    return {**schema, "properties": {name: about for name, about in properties.items() if not _is_plain(about)}}


def _is_plain(about: JSON) -> bool:
    """Whether a property says no more than one of the seven types, with or without a description."""
    if not isinstance(about, dict) or not {"type", "description"}.issuperset(about):
        return False
    return about.get("type", "null") in _TYPES and isinstance(about.get("description", ""), str)


def _keywords(schema: JSON, path: str) -> Iterator[tuple[str, str, str]]:
    """Every keyword of `_REFERENCES` and `$id` with its place; values of enum, const and the like count too."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if isinstance(value, str) and key in {*_REFERENCES, "$id"}:
                yield f"{path}.{key}", key, value
            yield from _keywords(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from _keywords(value, f"{path}[{index}]")
