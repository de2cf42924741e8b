"""The target occurs in the output."""

from typing import ClassVar

from evals_app.scorers.protocol import Score, ScorerSpec, Tools, UnscorableError, as_text, excerpt
from registry.core.canonical import JSON
from registry.core.errors import FieldError


class Contains:
    """Exactly, case included. A target that is no string is looked for as JSON text."""

    kind: ClassVar[str] = "contains"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_binary: ClassVar[bool] = True
    takes_path: ClassVar[bool] = False

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if spec.has_value and spec.value == "":
            return FieldError("value", "required", "must not be empty: every output contains that")
        return None

    def score(self, output: str, target: JSON, spec: ScorerSpec, tools: Tools) -> Score:
        wanted = as_text(target)
        if not wanted:
            raise UnscorableError("There is nothing to look for: the value is empty for this case.")
        is_there = wanted in output
        return Score(float(is_there), is_there, f"{excerpt(wanted)} {'occurs' if is_there else 'does not occur'}.")
