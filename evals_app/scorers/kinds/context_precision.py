"""A judge says which of the retrieved passages were of use; the first ones count most."""

from collections.abc import Sequence
from typing import Any, ClassVar

from evals_app.scorers.graded.judging import (
    CONTEXT,
    JUDGED_BY,
    Graded,
    JudgeError,
    Material,
    fenced,
    read_reply,
    reason_of,
)
from evals_app.scorers.graded.prompts import JudgePrompt, Section
from evals_app.scorers.options import Option
from evals_app.scorers.protocol import Asked, Example, Output, Score, ScorerSpec, as_text
from registry.core.canonical import JSON

MOST_PASSAGES = 1_000


class ContextPrecision(Graded):
    """Average precision: 1 where all useful passages come before the others, 0 where none is useful. The output does not matter.

    The passages are the entries of a list, or the paragraphs of a text.
    """

    kind: ClassVar[str] = "context_precision"
    about: ClassVar[str] = "a judge finds the retrieved passages useful for the target, the useful ones first"
    options: ClassVar[tuple[Option[Any], ...]] = (*JUDGED_BY, CONTEXT)
    prompt: ClassVar[JudgePrompt] = JudgePrompt(
        "context-precision",
        "Says which of the retrieved passages help to give the expected answer.",
        "the PASSAGES were retrieved to answer the QUESTION; each begins with its number in brackets. Say of each, in "
        "order and without leaving one out, whether it is useful to arrive at the EXPECTED answer: `useful` has one entry "
        "for each passage, true or false.",
        (Section("QUESTION", "question"), Section("EXPECTED", "expected"), Section("PASSAGES", "passages")),
        {"useful": {"type": "array", "items": {"type": "boolean"}}},
    )
    example: ClassVar[Example] = Example(
        {"kind": "context_precision"},
        Output("5 euros."),
        Output("5 euros."),
        Asked({"q": "What does it cost?", "context": ["It costs 5 euros.", "We open at nine."]}, expected="5 euros"),
    )
    example_replies = (
        ({"reason": "The first one has the price.", "useful": [True, False]},),
        ({"reason": "Only the second one has it.", "useful": [False, True]},),
    )

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        expected = as_text(material.target)
        passages = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(material.passages(spec), 1))
        return (fenced(question=material.question, expected=expected, passages=passages),)

    def read(self, reply: JSON, material: Material, spec: ScorerSpec) -> Score:
        wanted = len(material.passages(spec))
        given, reason = read_reply(
            reply, lambda fields: (fields.items("useful", most=MOST_PASSAGES), reason_of(fields))
        )
        useful = [mark for mark in given if isinstance(mark, bool)]
        if not len(useful) == len(given) == wanted:
            raise JudgeError(f"useful must have {wanted} entries, each true or false: one for each passage")
        value = average_precision(useful)
        return Score(value, value == 1, f"{sum(useful)} of {wanted} passages are useful: {reason}")


def average_precision(useful: Sequence[bool]) -> float:
    """The mean, over the useful ones, of the share of useful ones among all up to there; 0 where none is."""
    found, total = 0, 0.0
    for place, is_useful in enumerate(useful, 1):
        if is_useful:
            found += 1
            total += found / place
    return total / found if found else 0.0
