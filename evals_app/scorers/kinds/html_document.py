"""The whole output is HTML."""

from typing import ClassVar

from evals_app.scorers.html import not_html
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Target,
    Tools,
    refuse_longer,
)
from registry.core.canonical import JSON

LONGEST = 50_000


class IsHtml(Scorer):
    """A document or a piece of one, by the tree that HTML 5 makes of it: elements that are known, no text beside them."""

    kind: ClassVar[str] = "is_html"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the whole output is HTML, a document or a piece of one, without text around it"
    target: ClassVar[Target] = "nothing"
    example: ClassVar[Example] = Example(
        {"kind": "is_html"}, Output("<h1>Hello</h1><p>Welcome</p>"), Output("Here you are: <p>Welcome</p>")
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        refuse_longer(output.text, LONGEST, "be read as HTML")
        why = not_html(output.text)
        return Score(float(not why), not why, f"The output is no HTML: {why}." if why else "It is HTML.")
