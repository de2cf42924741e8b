"""A judge says whether the output answers what was asked."""

from collections.abc import Mapping
from typing import ClassVar

from evals_app.scorers.graded.judging import Material, Worded, fenced
from evals_app.scorers.graded.prompts import JudgePrompt, Section, one_of
from evals_app.scorers.protocol import Asked, Example, Output, ScorerSpec, Target
from registry.core.canonical import JSON

VALUES = {"relevant": 1.0, "partly relevant": 0.5, "not relevant": 0.0}


class AnswerRelevance(Worded):
    """All that was asked is answered: 1. Only a part, or buried in other matter: 0.5. Something else: 0. Truth does not matter."""

    kind: ClassVar[str] = "answer_relevance"
    about: ClassVar[str] = "a judge finds that the output answers what was asked"
    target: ClassVar[Target] = "nothing"
    values: ClassVar[Mapping[str, float]] = VALUES
    prompt: ClassVar[JudgePrompt] = JudgePrompt(
        "answer-relevance",
        "Says whether an answer answers what was asked.",
        "say whether the ANSWER addresses what the QUESTION asks for. Whether it is true is not your task. It is "
        "`relevant` when it answers all that was asked without much that was not, `partly relevant` when it answers only "
        "a part or buries the answer in other matter, `not relevant` when it evades or answers something else. A refusal "
        "is `not relevant` unless the question asks for what must be refused.",
        (Section("QUESTION", "question"), Section("ANSWER", "output")),
        one_of(tuple(VALUES)),
    )
    example: ClassVar[Example] = Example(
        {"kind": "answer_relevance"},
        Output("Open the app and choose Cards, then Freeze."),
        Output("Our cards come in three colours."),
        Asked({"q": "How do I freeze my card?"}),
    )
    example_replies = (
        ({"reason": "It says how to freeze the card.", "verdict": "relevant"},),
        ({"reason": "Colours were not asked for.", "verdict": "not relevant"},),
    )

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        return (fenced(question=material.question, output=material.answer),)
