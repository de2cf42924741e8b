"""The output is the target."""

from typing import Any, ClassVar

from evals_app.scorers.options import EXACT, Option
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
    as_json,
    excerpt,
    same_json,
)
from registry.core.canonical import JSON


class Equals(Scorer):
    """Blanks around the output and the target do not count. A target that is no string: the output, read as JSON, is it."""

    kind: ClassVar[str] = "equals"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "the output is the target; blanks around it do not count, JSON is compared as JSON"
    options: ClassVar[tuple[Option[Any], ...]] = (EXACT,)
    example: ClassVar[Example] = Example({"kind": "equals"}, Output(" card\n"), Output("Card"), Asked(expected="card"))

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        is_exact = EXACT.of(spec)
        if isinstance(target, str):
            is_equal = output.text == target if is_exact else output.text.strip() == target.strip()
        else:
            try:
                is_equal = same_json(as_json(output.text), target)
            except UnscorableError:
                if not is_exact:
                    raise
                is_equal = False
        return Score(
            float(is_equal), is_equal, f"{excerpt(output.text)} {'is' if is_equal else 'is not'} {excerpt(target)}."
        )
