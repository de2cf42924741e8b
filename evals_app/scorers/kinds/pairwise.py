"""A judge says which of two answers to the same question is better, asked in both orders."""

from collections.abc import Sequence
from typing import ClassVar

from evals_app.scorers.graded.judging import Graded, Material, fenced, told, verdict_of
from evals_app.scorers.graded.prompts import JudgePrompt, Section, one_of
from evals_app.scorers.protocol import Asked, Example, Output, Score, ScorerSpec, Target, UnscorableError, as_text
from registry.core.canonical import JSON

# What the answer shown first gets.
VALUES = {"first": 1.0, "tie": 0.5, "second": 0.0}
WORDS = {1.0: "better", 0.5: "tie", 0.0: "worse"}
CRITERION = "Which answer serves better whoever asked: more correct, more complete, clearer, and to the point."


class Pairwise(Graded):
    """Candidate against baseline, same case and repeat: better 1, tie 0.5, worse 0; the baseline gets what is left of 1.

    The judge is asked in both orders; where the order changes its mind it is a tie. `value` is the criterion. Without a
    threshold a tie passes. Without a baseline there is nothing to compare, and the scorer is left out.
    """

    kind: ClassVar[str] = "pairwise"
    about: ClassVar[str] = "a judge does not find the other version's answer better, asked in both orders"
    target: ClassVar[Target] = "optional value"
    compares: ClassVar[bool] = True
    default_threshold: ClassVar[float | None] = 0.5
    prompt: ClassVar[JudgePrompt] = JudgePrompt(
        "pairwise",
        "Says which of two answers to the same question is better.",
        "say which of two answers to the QUESTION is better by the CRITERION: `first`, `second`, or `tie` where neither "
        "is clearly better. The order in which they are shown means nothing, and neither does their length.",
        (
            Section("QUESTION", "question"),
            Section("CRITERION", "criterion"),
            Section("FIRST ANSWER", "first"),
            Section("SECOND ANSWER", "second"),
        ),
        one_of(tuple(VALUES)),
    )
    example: ClassVar[Example] = Example(
        {"kind": "pairwise", "value": "Which one is friendlier?"},
        Output("Gladly: here is how."),
        Output("Read the manual."),
        Asked({"q": "How do I begin?"}),
    )
    example_replies = (
        ({"reason": "It helps.", "verdict": "first"}, {"reason": "It helps.", "verdict": "second"}),
        ({"reason": "It is curt.", "verdict": "second"}, {"reason": "It is curt.", "verdict": "first"}),
    )

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        if material.other is None:
            raise UnscorableError("There is no answer of the other version to compare with.")
        criterion = as_text(material.target) if spec.has_value else CRITERION
        question, mine, other = material.question, material.answer, told(material.other)
        return (
            fenced(question=question, criterion=criterion, first=mine, second=other),
            fenced(question=question, criterion=criterion, first=other, second=mine),
        )

    def read(self, reply: JSON, material: Material, spec: ScorerSpec) -> Score:
        verdict, reason = verdict_of(reply, VALUES)
        return Score(VALUES[verdict], False, reason)

    def combine(self, readings: Sequence[Score]) -> Score:
        shown_first, shown_second = readings
        value = shown_first.value
        if value != 1 - shown_second.value:
            return Score(0.5, False, f"tie: the order changed the judge's mind. {shown_first.detail}")
        return Score(value, False, f"{WORDS[value]}: {shown_first.detail}")


def for_baseline(score: Score) -> Score:
    """What the baseline gets where the candidate got this."""
    return Score(1 - score.value, False, f"for the candidate, {score.detail}")
