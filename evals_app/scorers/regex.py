"""A regular expression is found in the output."""

import re
from typing import ClassVar

from evals_app.scorers.protocol import Score, ScorerSpec, Tools, UnscorableError, excerpt
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid


class Regex:
    """Anywhere in the output (anchor it with ^ and $). It runs in the worker, with a time limit."""

    kind: ClassVar[str] = "regex"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_binary: ClassVar[bool] = True
    takes_path: ClassVar[bool] = False

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if not spec.has_value or spec.template is not None:
            return None
        if not isinstance(spec.value, str) or not spec.value:
            return FieldError("value", "type", "must be a regular expression, as a string")
        try:
            re.compile(spec.value)
        except (re.error, OverflowError, RecursionError) as error:
            return FieldError("value", "format", f"is not a regular expression: {error}")
        return None

    def score(self, output: str, target: JSON, spec: ScorerSpec, tools: Tools) -> Score:
        if not isinstance(target, str) or not target:
            raise UnscorableError("There is no pattern: the value is empty or no string for this case.")
        try:
            is_found = tools.match(target, output)
        except Invalid as error:
            raise UnscorableError(error.detail) from None
        return Score(
            float(is_found), is_found, f"The pattern {excerpt(target)} {'matches' if is_found else 'does not match'}."
        )
