"""JSON Schema inside the worker: a schema's patterns are somebody's regular expressions and can run for ever."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from prompts_app.sandbox.rendering import Problem
from registry.core.canonical import JSON

MAX_MISTAKES = 100


def mistakes(schema: bytes, value: JSON) -> list[JSON]:
    """`{path, keyword, wanted}` of each mistake, at most 100; the value itself is never repeated."""
    found: list[JSON] = []
    try:
        for error in _validator(schema).iter_errors(value):
            found.extend(mistake for mistake in _describe(error) if mistake not in found)
            if len(found) >= MAX_MISTAKES:
                break
    except (Unresolvable, RecursionError):
        raise Problem("schema", "The schema refers to itself without end, or to nothing.") from None
    except re.error:  # one with far ranges, which nobody else reads
        raise Problem("pattern", "A pattern of the schema is no regular expression.") from None
    return found[:MAX_MISTAKES]


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), registry=Registry())


def _describe(error: ValidationError) -> list[JSON]:
    path: list[JSON] = [part if isinstance(part, str) else int(part) for part in error.absolute_path]
    keyword = str(error.validator)
    if keyword == "required" and isinstance(error.instance, dict) and isinstance(error.validator_value, list):
        absent = [name for name in error.validator_value if name not in error.instance]
        return [{"path": [*path, name], "keyword": keyword, "wanted": None} for name in absent]
    wanted = cast("JSON", error.validator_value) if keyword in {"type", "enum", "const"} else None
    return [{"path": path, "keyword": keyword, "wanted": wanted}]
