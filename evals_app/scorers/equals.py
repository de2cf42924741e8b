"""The output is the target."""

from typing import ClassVar

from evals_app.scorers.protocol import Score, ScorerSpec, Tools, as_json, excerpt, same_json
from registry.core.canonical import JSON
from registry.core.errors import FieldError


class Equals:
    """Blanks around the output and the target do not count. A target that is no string: the output, read as JSON, is it."""

    kind: ClassVar[str] = "equals"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_binary: ClassVar[bool] = True
    takes_path: ClassVar[bool] = False

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        return None

    def score(self, output: str, target: JSON, spec: ScorerSpec, tools: Tools) -> Score:
        if isinstance(target, str):
            is_equal = output.strip() == target.strip()
        else:
            is_equal = same_json(as_json(output), target)
        return Score(
            float(is_equal), is_equal, f"{excerpt(output)} {'is' if is_equal else 'is not'} {excerpt(target)}."
        )
