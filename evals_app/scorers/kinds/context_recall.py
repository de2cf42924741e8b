"""A judge says how much of the expected answer the retrieved context holds."""

from typing import Any, ClassVar

from evals_app.scorers.graded.judging import CONTEXT, JUDGED_BY, Graded, JudgeError, Material, fenced, marked
from evals_app.scorers.graded.prompts import JudgePrompt, Section, list_of
from evals_app.scorers.options import Option
from evals_app.scorers.protocol import Asked, Example, Output, Score, ScorerSpec, as_text, excerpt
from registry.core.canonical import JSON

_CONTEXT: list[JSON] = ["Transfers within the country are free.", "Transfers abroad cost 5 euros."]


class ContextRecall(Graded):
    """The share of the target's statements that the retrieved context supports. The output itself does not matter."""

    kind: ClassVar[str] = "context_recall"
    about: ClassVar[str] = "a judge finds every statement of the target in the retrieved context"
    options: ClassVar[tuple[Option[Any], ...]] = (*JUDGED_BY, CONTEXT)
    prompt: ClassVar[JudgePrompt] = JudgePrompt(
        "context-recall",
        "Says how much of the expected answer can be found in the retrieved context.",
        "split the EXPECTED answer to the QUESTION into its statements, each as a short text of its own, and say of each "
        "whether it can be taken from the CONTEXT alone. There is at least one statement.",
        (Section("QUESTION", "question"), Section("EXPECTED", "expected"), Section("CONTEXT", "context")),
        list_of("statements", "supported"),
    )
    example: ClassVar[Example] = Example(
        {"kind": "context_recall"},
        Output("Free at home, 5 euros abroad."),
        Output("Free at home, 5 euros abroad."),
        Asked({"q": "What does a transfer cost?", "context": _CONTEXT}, expected="Free at home, 5 euros abroad."),
    )
    example_replies = (
        (
            {
                "reason": "Both are there.",
                "statements": [{"text": "Free at home.", "supported": True}, {"text": "5 abroad.", "supported": True}],
            },
        ),
        (
            {
                "reason": "Abroad is not mentioned.",
                "statements": [{"text": "Free at home.", "supported": True}, {"text": "5 abroad.", "supported": False}],
            },
        ),
    )

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        expected, context = as_text(material.target), material.context(spec)
        return (fenced(question=material.question, expected=expected, context=context),)

    def read(self, reply: JSON, material: Material, spec: ScorerSpec) -> Score:
        statements, reason = marked(reply, "statements", "supported")
        if not statements:
            raise JudgeError("statements must have at least one entry")
        missing = [text for text, supported in statements if not supported]
        if not missing:
            return Score(1.0, True, f"All of {len(statements)} statements are in the context: {reason}")
        value = 1 - len(missing) / len(statements)
        lost = f"{len(missing)} of {len(statements)} statements are not in the context: {excerpt(missing[0])}"
        return Score(value, False, lost)
