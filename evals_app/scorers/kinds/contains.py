"""The target occurs in the output."""

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
    as_text,
    excerpt,
)
from registry.core.canonical import JSON
from registry.core.errors import FieldError


class Contains(Scorer):
    """Exactly, case included. A target that is no string is looked for as JSON text."""

    kind: ClassVar[str] = "contains"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "the target occurs in the output"
    example: ClassVar[Example] = Example(
        {"kind": "contains", "value": "refund"}, Output("Your refund is on its way."), Output("Your Refund.")
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if spec.has_value and spec.value == "":
            return FieldError("value", "required", "must not be empty: every output contains that")
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        wanted = as_text(target)
        if not wanted:
            raise UnscorableError("There is nothing to look for: the value is empty for this case.")
        is_there = wanted in output.text
        return Score(float(is_there), is_there, f"{excerpt(wanted)} {'occurs' if is_there else 'does not occur'}.")
