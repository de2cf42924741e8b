"""How many words an output has."""

from typing import Any, ClassVar

from evals_app.scorers.options import Option, whole_option
from evals_app.scorers.protocol import Asked, Example, Family, Output, Score, Scorer, ScorerSpec, Target, Tools
from registry.core.canonical import JSON
from registry.core.errors import FieldError

LEAST = whole_option("least", "The fewest words that are enough.", default=None, least=1, most=1_000_000)
MOST = whole_option("most", "The most words that are permitted.", default=None, least=1, most=1_000_000)


class WordCount(Scorer):
    """Words are what blanks separate: of a script without blanks between words, characters in a row count as one."""

    kind: ClassVar[str] = "word_count"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "the output has at least `least` and at most `most` words"
    target: ClassVar[Target] = "nothing"
    options: ClassVar[tuple[Option[Any], ...]] = (LEAST, MOST)
    example: ClassVar[Example] = Example(
        {"kind": "word_count", "least": 2, "most": 5}, Output("Your refund is coming."), Output("Coming.")
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        least, most = LEAST.of(spec), MOST.of(spec)
        if least is None and most is None:
            return FieldError("most", "required", "or `least` is required")
        if least is not None and most is not None and least > most:
            return FieldError("most", "range", f"must not be below `least`, which is {least}")
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        count, least, most = len(output.text.split()), LEAST.of(spec), MOST.of(spec)
        words = f"{count:,} word{'' if count == 1 else 's'}"
        if least is not None and count < least:
            return Score(0.0, False, f"{words}: fewer than {least:,}.")
        if most is not None and count > most:
            return Score(0.0, False, f"{words}: more than {most:,}.")
        return Score(1.0, True, f"{words}.")
