"""JSON Schemas of users in scorers: 2020-12, local references only, tried in the worker since they hold patterns."""

import functools
import json
from collections.abc import Mapping

from evals_app.scorers.protocol import Tools, UnscorableError
from prompts_app.variables import schema_problem
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid


def schema_mistake(value: JSON) -> FieldError | None:
    """What keeps a scorer's value from being a schema."""
    if not isinstance(value, dict):
        return FieldError("value", "type", "must be a JSON Schema, as an object")
    problem = schema_problem(value)
    return FieldError(f"value{problem[0]}", "schema", problem[1]) if problem else None


def is_schema(value: JSON) -> bool:
    """Whether a value that comes with a case or a version is a schema; remembered, since it is asked for every answer."""
    return isinstance(value, dict) and _is_schema(json.dumps(value))


@functools.lru_cache(maxsize=256)
def _is_schema(text: str) -> bool:
    return schema_problem(json.loads(text)) is None


def first_mistake(schema: Mapping[str, JSON], value: JSON, tools: Tools) -> str:
    """Where and how a value does not fit, empty where it does; raises UnscorableError where that takes too long."""
    try:
        mistakes = tools.schema_mistakes(schema, value)
    except Invalid as error:
        raise UnscorableError(error.detail) from None
    if not mistakes:
        return ""
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return f"at {mistakes[0].field or 'the whole'}: {mistakes[0].message}{more}"
