"""How alike the output and the target are in meaning, by their embeddings."""

from typing import Any, ClassVar

from evals_app.scorers.graded.judging import Graded, JudgeError, Material, name_option
from evals_app.scorers.options import Option, text_option
from evals_app.scorers.protocol import Asked, Example, Output, Score, ScorerSpec, as_text, excerpt
from registry.core.canonical import JSON

MODEL: Option[str] = text_option("model", "An embedding model that the provider lists.", most=200)
PROVIDER = name_option("provider", "Whose embeddings; the workspace's default provider where left out.")


class EmbeddingSimilarity(Graded):
    """The cosine of their embeddings, 0 where it is negative, from the provider's `/embeddings`. Without a threshold 0.75 passes."""

    kind: ClassVar[str] = "embedding_similarity"
    about: ClassVar[str] = "the embeddings of output and target point the same way"
    default_threshold: ClassVar[float | None] = 0.75
    options: ClassVar[tuple[Option[Any], ...]] = (MODEL, PROVIDER)
    example: ClassVar[Example] = Example(
        {"kind": "embedding_similarity", "model": "text-embedding-3-small"},
        Output("Your card is on its way."),
        Output("We open at nine."),
        Asked(expected="The card has been sent."),
    )
    example_replies = ((0.91,), (0.22,))

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        return ({"output": material.answer, "target": as_text(material.target)},)

    def read(self, reply: JSON, material: Material, spec: ScorerSpec) -> Score:
        if isinstance(reply, bool) or not isinstance(reply, int | float):
            raise JudgeError("it is no number")
        value = min(1.0, max(0.0, float(reply)))
        return Score(value, False, f"{value:.3f} alike to {excerpt(as_text(material.target))}")
