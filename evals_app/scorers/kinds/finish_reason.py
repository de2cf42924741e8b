"""Why the answer ended."""

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
from registry.core.canonical import JSON


class FinishReason(Scorer):
    """As the provider says it, upper and lower case alike; one that says nothing gave another reason."""

    kind: ClassVar[str] = "finish_reason"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the answer ended for the reason of the target, such as `stop`, `length` or `tool_calls`"
    example: ClassVar[Example] = Example(
        {"kind": "finish_reason", "value": "stop"},
        Output("Done.", finish_reason="stop"),
        Output("And then", finish_reason="length"),
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        if not isinstance(target, str):
            raise UnscorableError("There is no reason to compare with: the value is no text.")
        is_same = bool(output.finish_reason) and output.finish_reason.lower() == target.lower()
        said = excerpt(output.finish_reason) if output.finish_reason else "a reason that the provider does not tell"
        return Score(float(is_same), is_same, f"It ended for {said}.")
