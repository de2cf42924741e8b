"""A judge says which of the output's claims the given context supports."""

from typing import Any, ClassVar

from evals_app.scorers.graded.judging import CONTEXT, JUDGED_BY, Graded, Material, fenced, marked
from evals_app.scorers.graded.prompts import JudgePrompt, Section, list_of
from evals_app.scorers.options import Option
from evals_app.scorers.protocol import Asked, Example, Output, Score, ScorerSpec, Target, excerpt
from registry.core.canonical import JSON


class Groundedness(Graded):
    """The share of the output's claims that the context supports; 1 where it claims nothing. Below 1 something is made up."""

    kind: ClassVar[str] = "groundedness"
    about: ClassVar[str] = "a judge finds every claim of the output in the context: nothing is made up"
    target: ClassVar[Target] = "nothing"
    options: ClassVar[tuple[Option[Any], ...]] = (*JUDGED_BY, CONTEXT)
    prompt: ClassVar[JudgePrompt] = JudgePrompt(
        "groundedness",
        "Says which claims of an answer the given context supports, and so which are made up.",
        "list every factual claim that the ANSWER to the QUESTION makes, each as a short text of its own, and say of each "
        "whether the CONTEXT supports it. Supported is what the context states or what follows from it; what is true but "
        "not in the context is not supported. An answer that claims nothing, such as a refusal, has an empty list.",
        (Section("QUESTION", "question"), Section("CONTEXT", "context"), Section("ANSWER", "output")),
        list_of("claims", "supported"),
    )
    example: ClassVar[Example] = Example(
        {"kind": "groundedness"},
        Output("Transfers are free."),
        Output("Transfers are free and take an hour."),
        Asked({"q": "What does a transfer cost?", "context": ["Transfers within the country are free of charge."]}),
    )
    example_replies = (
        ({"reason": "The context says so.", "claims": [{"text": "Transfers are free.", "supported": True}]},),
        (
            {
                "reason": "The context does not say how long it takes.",
                "claims": [
                    {"text": "Transfers are free.", "supported": True},
                    {"text": "A transfer takes an hour.", "supported": False},
                ],
            },
        ),
    )

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        context = material.context(spec)
        return (fenced(question=material.question, context=context, output=material.answer),)

    def read(self, reply: JSON, material: Material, spec: ScorerSpec) -> Score:
        claims, reason = marked(reply, "claims", "supported")
        loose = [text for text, supported in claims if not supported]
        if not loose:
            return Score(1.0, True, f"All of {len(claims)} claims are in the context: {reason}")
        value = 1 - len(loose) / len(claims)
        return Score(value, False, f"{len(loose)} of {len(claims)} claims are not in the context: {excerpt(loose[0])}")
