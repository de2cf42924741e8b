"""A regular expression is found in the output."""

from collections.abc import Iterator
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
from prompts_app.patterns import LONGEST, mistake_in
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid


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
        said = mistake_in(spec.value)
        return FieldError("value", "length" if len(spec.value) > LONGEST else "format", said) if said else None

    def patterns(self, spec: ScorerSpec) -> Iterator[tuple[str, str]]:
        if isinstance(spec.value, str) and spec.template is None:
            yield "", spec.value

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
