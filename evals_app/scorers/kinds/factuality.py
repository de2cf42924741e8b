"""A judge compares the facts in the output with those of the expected answer."""

from collections.abc import Mapping
from typing import ClassVar

from evals_app.scorers.graded.judging import Material, Worded, fenced
from evals_app.scorers.graded.prompts import JudgePrompt, Section, one_of
from evals_app.scorers.protocol import Asked, Example, Output, ScorerSpec, as_text
from registry.core.canonical import JSON

VALUES = {"same": 1.0, "more": 1.0, "differs harmlessly": 1.0, "less": 0.5, "contradicts": 0.0}


class Factuality(Worded):
    """The same facts, more that agree, or a difference that does not matter: 1. Only some of them: 0.5. A contradiction: 0."""

    kind: ClassVar[str] = "factuality"
    about: ClassVar[str] = "a judge finds the facts of the target in the output, and none that contradicts them"
    values: ClassVar[Mapping[str, float]] = VALUES
    prompt: ClassVar[JudgePrompt] = JudgePrompt(
        "factuality",
        "Compares the facts in an answer with those of the expected answer.",
        "compare the facts in the ANSWER to the QUESTION with those in the EXPECTED answer, which you take to be true. "
        "Ignore differences in style, order, grammar and punctuation. The verdict is `same` where both state the same "
        "facts, `more` where the answer states all of them and further ones that agree with them, `less` where it states "
        "only some of them and nothing that disagrees, `contradicts` where any fact disagrees, and `differs harmlessly` "
        "where they differ in a way that does not matter for the question.",
        (Section("QUESTION", "question"), Section("EXPECTED", "expected"), Section("ANSWER", "output")),
        one_of(tuple(VALUES)),
    )
    example: ClassVar[Example] = Example(
        {"kind": "factuality"},
        Output("It opened in 1889."),
        Output("It opened in 1901."),
        Asked({"q": "When did the tower open?"}, expected="1889"),
    )
    example_replies = (
        ({"reason": "Both name 1889.", "verdict": "same"},),
        ({"reason": "The years disagree.", "verdict": "contradicts"},),
    )

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        expected = as_text(material.target)
        return (fenced(question=material.question, expected=expected, output=material.answer),)
