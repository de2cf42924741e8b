"""The contract of a prompt's variables as far as it can be held without a JSON Schema library: presence, types, choices.

The server, which has one, holds the rest (patterns, ranges, shapes inside objects) on its render endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from greenroom.errors import RenderError
from greenroom.templates.values import JSON


def hold_contract(schema: Mapping[str, JSON], values: Mapping[str, JSON]) -> None:
    """Raises RenderError naming each missing or mistyped variable; values that the schema does not declare are ignored."""
    mistakes = dict(_mistakes(schema, values))
    if mistakes:
        listed = "; ".join(f"{name} {text}" for name, text in mistakes.items())
        raise RenderError("variables", f"The variables do not fit the template: {listed}.", variables=tuple(mistakes))


def as_json(variables: Mapping[str, object]) -> dict[str, JSON]:
    """The values as they would arrive over the wire, so that tuples, enumerations and the like render as on the server.

    Raises RenderError for what is no JSON, naming the variable.
    """
    plain: dict[str, JSON] = {}
    for name, value in variables.items():
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None:
            plain[name] = value  # type: ignore[assignment]
            continue
        try:
            plain[name] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            raise RenderError("variables", f"The variable {name} is not JSON.", variables=(name,)) from None
    return plain


def _mistakes(schema: Mapping[str, JSON], values: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
    required = schema.get("required")
    for name in required if isinstance(required, list) else []:
        if isinstance(name, str) and name not in values:
            yield name, "is required"
    properties = schema.get("properties")
    for name, about in properties.items() if isinstance(properties, dict) else []:
        if name in values and isinstance(about, dict):
            kind, choices = about.get("type"), about.get("enum")
            if kind is not None and not _is_a(values[name], kind):
                yield name, f"must be of type {' or '.join(map(str, kind)) if isinstance(kind, list) else kind}"
            elif isinstance(choices, list) and not any(_same(values[name], choice) for choice in choices):
                yield name, "must be one of the values that its schema lists"


def _is_a(value: JSON, kind: JSON) -> bool:
    if isinstance(kind, list):
        return any(_is_a(value, one) for one in kind)
    match kind:
        case "integer":
            return not isinstance(value, bool) and (
                isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            )
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


def _same(left: JSON, right: JSON) -> bool:
    """Equal as JSON: true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right
