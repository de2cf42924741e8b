"""METEOR as promptfoo counts it, for suites that come from there."""

from typing import Any, ClassVar

from evals_app.scorers.meteor.counting import meteor
from evals_app.scorers.options import Option, number_option
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Tools,
    UnscorableError,
    excerpt,
)
from registry.core.canonical import JSON

LONGEST, MOST_REFERENCES = 20_000, 20
ALPHA = number_option("alpha", "How much precision weighs against recall.", default=0.9, most=1)
BETA = number_option("beta", "How fast the penalty for words apart grows.", default=3.0, most=10)
GAMMA = number_option("gamma", "The highest penalty for words apart.", default=0.5, most=1)


class PromptfooMeteor(Scorer):
    """Words that are the same, of the same stem, or synonyms in WordNet; those in the same order in one piece count most."""

    kind: ClassVar[str] = "promptfoo_meteor"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "METEOR as promptfoo's `meteor` counts it; of a list of targets, the best counts"
    is_binary: ClassVar[bool] = False
    default_threshold: ClassVar[float | None] = 0.5
    options: ClassVar[tuple[Option[Any], ...]] = (ALPHA, BETA, GAMMA)
    example: ClassVar[Example] = Example(
        {"kind": "promptfoo_meteor", "value": "the cat sat on the mat"},
        Output("The cats sat on the mat."),
        Output("A dog ran."),
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        references = target if isinstance(target, list) else [target]
        texts = [one for one in references if isinstance(one, str)]
        if not output.text or not texts or len(texts) < len(references):
            raise UnscorableError("There is nothing to compare: no answer, or no text that it should be.")
        if len(texts) > MOST_REFERENCES or max(map(len, [output.text, *texts])) > LONGEST:
            raise UnscorableError(f"There are more than {MOST_REFERENCES} texts, or {LONGEST:,} characters in one.")
        weights = {"alpha": ALPHA.of(spec), "beta": BETA.of(spec), "gamma": GAMMA.of(spec)}
        value = min(1.0, max(0.0, *(meteor(output.text, one, **weights) for one in texts)))
        return Score(value, True, f"{value:.3f} of {excerpt(texts[0])}.")
