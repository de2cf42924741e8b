"""A judge says how far the output meets a criterion in words."""

from collections.abc import Mapping
from typing import ClassVar

from evals_app.scorers.graded.judging import Material, Worded, fenced
from evals_app.scorers.graded.prompts import JudgePrompt, Section, one_of
from evals_app.scorers.protocol import Example, Output, ScorerSpec, Target, as_text
from registry.core.canonical import JSON
from registry.core.errors import FieldError

VALUES = {"met": 1.0, "partly met": 0.5, "not met": 0.0}


class Rubric(Worded):
    """The value is the criterion. Met is 1, partly met 0.5, not met 0; without a threshold all of it has to be met."""

    kind: ClassVar[str] = "rubric"
    about: ClassVar[str] = "a judge finds that the output meets the criterion given as `value`"
    target: ClassVar[Target] = "value"
    values: ClassVar[Mapping[str, float]] = VALUES
    prompt: ClassVar[JudgePrompt] = JudgePrompt(
        "rubric",
        "Says how far an answer meets a criterion given in words.",
        "say how far the ANSWER to the QUESTION meets the CRITERION. It is `met` when all of it holds, `partly met` when "
        "some of it clearly holds and some does not, `not met` otherwise. Judge nothing but the criterion.",
        (Section("QUESTION", "question"), Section("CRITERION", "criterion"), Section("ANSWER", "output")),
        one_of(tuple(VALUES)),
    )
    example: ClassVar[Example] = Example(
        {"kind": "rubric", "value": "polite, and promises nothing"},
        Output("Thank you for asking. We will look into it."),
        Output("Calm down. You get your money tomorrow."),
    )
    example_replies = (
        ({"reason": "Polite, and no promise is made.", "verdict": "met"},),
        ({"reason": "It is rude and promises a date.", "verdict": "not met"},),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if isinstance(spec.value, str) and spec.value.strip():
            return None
        return FieldError("value", "required", "must be the criterion in words, such as “polite, and no promises”")

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        criterion = as_text(material.target)
        return (fenced(question=material.question, criterion=criterion, output=material.answer),)
