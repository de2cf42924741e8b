"""How well the tools that are called are those that should be, by name."""

from typing import ClassVar

from evals_app.scorers.overlap import f1
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
    refuse_longer,
)
from evals_app.scorers.tool_names import TooTangledError, names_in, tool_names
from evals_app.scorers.trimming import trimmed
from registry.core.canonical import JSON

LONGEST, MOST_NAMES = 200_000, 200


class ToolCallF1(Scorer):
    """The F1 of precision and recall over the names, whatever their order, number and arguments.

    Calls are those of the answer, and those that it writes as JSON in its text.
    """

    kind: ClassVar[str] = "tool_call_f1"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the F1 of the tools that the answer calls against those of the target, by their names"
    is_binary: ClassVar[bool] = False
    default_threshold: ClassVar[float | None] = 1.0
    example: ClassVar[Example] = Example(
        {"kind": "tool_call_f1", "value": ["weather", "route"]},
        Output('[{"name": "weather"}, {"name": "route"}]'),
        Output('[{"name": "weather"}]'),
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        wanted = wanted_names(target)
        if not wanted or len(wanted) > MOST_NAMES:
            raise UnscorableError(f"There are no names of tools to compare with, or more than {MOST_NAMES}.")
        refuse_longer(output.text, LONGEST, "look for calls")
        try:
            called = tool_names(output.text) | names_in(list(output.tool_calls))
        except TooTangledError:
            raise UnscorableError("The output has too many brackets to look for calls.") from None
        value = f1(len(wanted & called), len(called), len(wanted))
        return Score(value, True, f"It calls {excerpt(', '.join(sorted(called)) or 'no tool')}.")


def wanted_names(target: JSON) -> set[str]:
    """The names of a list, or of a text between commas."""
    entries = target if isinstance(target, list) else target.split(",") if isinstance(target, str) else []
    return {name for one in entries if (name := trimmed(as_text(one)))}
