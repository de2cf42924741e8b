"""ROUGE-N, BLEU and GLEU as promptfoo counts them, for suites that come from there; and what of such a suite is never run.

Their words are others than those of `rouge_n` and `bleu`, so the same threshold would not give the same verdicts.
"""

import abc
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from evals_app.scorers.options import Option, text_option
from evals_app.scorers.overlap import f1, runs
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
    UnscorableError,
    as_text,
    excerpt,
)
from registry.core.canonical import JSON
from registry.core.errors import FieldError

LONGEST = 200_000
WHY = text_option("why", "Why it is not run.")
WAS = text_option("was", "The assertion as it stood in the file, as JSON.", most=5000)


class _Share(Scorer):
    """How much of the target is in the output, or of the best of a list of targets."""

    family: ClassVar[Family] = "text"
    is_binary: ClassVar[bool] = False

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        wanted = [as_text(one) for one in target] if isinstance(target, list) else [as_text(target)]
        if not wanted or max(len(output.text), *map(len, wanted)) > LONGEST:
            raise UnscorableError(f"There is nothing to compare with, or it has more than {LONGEST:,} characters.")
        value = min(1.0, self._share(output.text, wanted))
        return Score(value, True, f"{value:.3f} of {excerpt(wanted[0])}.")

    @abc.abstractmethod
    def _share(self, said: str, wanted: Sequence[str]) -> float: ...


class PromptfooRougeN(_Share):
    """ROUGE-1 F1 with clipped counts over Penn Treebank tokens in lower case, of the first reference."""

    kind: ClassVar[str] = "promptfoo_rouge_n"
    about: ClassVar[str] = "ROUGE-1 as promptfoo's `rouge-n` counts it"
    default_threshold: ClassVar[float | None] = 0.75
    example: ClassVar[Example] = Example(
        {"kind": "promptfoo_rouge_n", "value": "the cat sat"}, Output("The cat sat."), Output("A dog ran.")
    )

    def _share(self, said: str, wanted: Sequence[str]) -> float:
        return rouge_1(said, wanted)


class PromptfooBleu(_Share):
    """BLEU-4 over words in lower case."""

    kind: ClassVar[str] = "promptfoo_bleu"
    about: ClassVar[str] = "BLEU as promptfoo's `bleu` counts it"
    default_threshold: ClassVar[float | None] = 0.5
    example: ClassVar[Example] = Example(
        {"kind": "promptfoo_bleu", "value": "the cat sat on the mat"},
        Output("The cat sat on the mat"),
        Output("A dog ran."),
    )

    def _share(self, said: str, wanted: Sequence[str]) -> float:
        return bleu(said, wanted)


class PromptfooGleu(_Share):
    """GLEU over words in lower case without their full stops."""

    kind: ClassVar[str] = "promptfoo_gleu"
    about: ClassVar[str] = "GLEU as promptfoo's `gleu` counts it"
    default_threshold: ClassVar[float | None] = 0.5
    example: ClassVar[Example] = Example(
        {"kind": "promptfoo_gleu", "value": "the cat sat on the mat"},
        Output("The cat sat on the mat."),
        Output("A dog ran."),
    )

    def _share(self, said: str, wanted: Sequence[str]) -> float:
        return gleu(said, wanted)


class Disabled(Scorer):
    """Kept so that nothing of an imported suite is lost: replace it by a scorer, or take it out."""

    kind: ClassVar[str] = "disabled"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "an assertion that was imported and is never run, with the reason; its weight has to be 0"
    is_run: ClassVar[bool] = False
    target: ClassVar[Target] = "nothing"
    options: ClassVar[tuple[Option[Any], ...]] = (WHY, WAS)
    example: ClassVar[Example] = Example(
        {"kind": "disabled", "why": "code", "was": '{"type": "javascript"}', "weight": 0}, Output(""), Output("")
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        return FieldError("weight", "range", "must be 0: it is not run") if spec.counts else None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        raise UnscorableError(f"Not run: {WHY.of(spec)}")


def rouge_1(said: str, references: Sequence[str]) -> float:
    """ROUGE-1 F1 with clipped counts over Penn Treebank tokens in lower case, of the first reference."""
    one, other = Counter(treebank(said.lower())), Counter(treebank(references[0].lower()))
    return f1((one & other).total(), one.total(), other.total())


def bleu(said: str, references: Sequence[str]) -> float:
    """BLEU-4 over words in lower case, orders that are too long left out, an order without a hit counted as 1e-7."""
    if not said.strip():
        return 0.0
    words, others = said.lower().split(), [one.lower().split() or [""] for one in references]
    closest = min((abs(len(one) - len(words)), len(one)) for one in others)[1]
    logs = []
    for n in range(1, min(4, len(words)) + 1):
        ours = runs(words, n)
        hits = max((ours & runs(one, n)).total() for one in others)
        logs.append(math.log(hits / ours.total() if hits else 1e-7))
    penalty = 1.0 if len(words) > closest else math.exp(1 - closest / len(words))
    return penalty * math.exp(sum(logs) / len(logs))


def gleu(said: str, references: Sequence[str]) -> float:
    """The smaller of precision and recall over runs of one to four words, the best of the references."""
    words = _without_stops(said)
    return max((_gleu(words, _without_stops(one)) for one in references), default=0.0) if words else 0.0


def _gleu(words: Sequence[str], wanted: Sequence[str]) -> float:
    if words == wanted:
        return 1.0
    one, other = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for n in range(1, 5):
        one, other = one + runs(words, n), other + runs(wanted, n)
    return (one & other).total() / max(one.total(), other.total(), 1)


def _without_stops(text: str) -> list[str]:
    words = [word.rstrip(".") for word in text.lower().split()]
    return words if any(words) else []


_CONTRACTIONS = [
    re.compile(rf"(?<!\w){text}(?!\w)", re.IGNORECASE)
    for text in (
        "(can)(not)",
        "(d)('ye)",
        "(gim)(me)",
        "(gon)(na)",
        "(got)(ta)",
        "(lem)(me)",
        "(more)('n)",
        "(wan)(na)(?= )",
        "('t)(is)",
        "('t)(was)",
    )
]
_SPLITS = (
    (re.compile(r"\.{3}"), " ... "),
    (re.compile(r"[:,](?!\d)"), r" \g<0> "),
    (re.compile(r"[;@#$%&]"), r" \g<0> "),
    (re.compile(r"([^.])(?<!\b[A-Za-z]\.[A-Za-z])(\.)([\])}>'\s]*)\Z"), r"\1 \2\3 "),
    (re.compile(r"[?!]"), r" \g<0> "),
    (re.compile(r"[\][(){}<>]"), r" \g<0> "),
    (re.compile(r"--"), " -- "),
)
_ENDINGS = (
    (re.compile(r"([^'])' "), r"\1 ' "),
    (re.compile(r"'([sSmMdD]) "), r" '\1 "),
    (re.compile(r"('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), r" \1 "),
)


def treebank(text: str) -> list[str]:
    """Words as the Penn Treebank splits them (after js-rouge's port): punctuation and contractions apart."""
    text = re.sub(r"[\s\x85]+", " ", text).strip()
    text = re.sub(
        r"``|''|\"", lambda quote: " `` " if quote.start() == 0 or text[quote.start() - 1] in " ([{<" else " '' ", text
    )
    for pattern, apart in _SPLITS:
        text = pattern.sub(apart, text)
    text = f" {text} "
    for pattern, apart in _ENDINGS:
        text = pattern.sub(apart, text)
    for pattern in _CONTRACTIONS:
        text = pattern.sub(r" \1 \2 ", text)
    return text.split()
