"""A regular expression is found in the output."""

import re
from typing import ClassVar

from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Tools,
    UnscorableError,
    excerpt,
)
from prompts_app.patterns import too_costly
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid

LONGEST_PATTERN = 10_000  # what the worker takes; reading a longer one here would take seconds


class Regex(Scorer):
    """Anywhere in the output (anchor it with ^ and $). It runs in the worker, with a time limit."""

    kind: ClassVar[str] = "regex"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "the pattern is found in the output, within a second"
    example: ClassVar[Example] = Example({"kind": "regex", "value": r"^\d{4}$"}, Output("1234"), Output("12345"))

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if not spec.has_value or spec.template is not None:
            return None
        if not isinstance(spec.value, str) or not spec.value:
            return FieldError("value", "type", "must be a regular expression, as a string")
        if len(spec.value) > LONGEST_PATTERN:
            return FieldError("value", "length", f"must not have more than {LONGEST_PATTERN:,} characters")
        if why := too_costly([spec.value]):
            return FieldError("value", "format", why)
        try:
            re.compile(spec.value)
        except (re.error, OverflowError, RecursionError) as error:
            return FieldError("value", "format", f"is not a regular expression: {error}")
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        if not isinstance(target, str) or not target:
            raise UnscorableError("There is no pattern: the value is empty or no string for this case.")
        try:
            is_found = tools.match(target, output.text)
        except Invalid as error:
            raise UnscorableError(error.detail) from None
        return Score(
            float(is_found), is_found, f"The pattern {excerpt(target)} {'matches' if is_found else 'does not match'}."
        )
