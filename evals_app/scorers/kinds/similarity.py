"""How much of one text is in the other, counted in edits, in shared words (ROUGE) or in shared runs of words (BLEU).

ROUGE and BLEU are our own few lines, held by tests to the numbers of rouge-score and sacrebleu: those bring along nltk
and lxml, and take longer to import than a thousand scores take to compute.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from rapidfuzz.distance import LCSseq, Levenshtein

from evals_app.scorers.options import EXACT, Option, amount_option, choice_option, whole_option
from evals_app.scorers.overlap import f1, runs
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
    as_text,
    excerpt,
)
from registry.core.canonical import JSON

LONGEST = 20_000  # the work grows with the product of both lengths
N = whole_option("n", "How many words in a row are compared.", default=1, least=1, most=9)
MEASURE = choice_option(
    "measure",
    "Which share counts: of the target's words (`recall`), of the output's (`precision`), or both together (`f1`).",
    ("f1", "precision", "recall"),
    default="f1",
)
MOST_EDITS = amount_option("most", "How many characters may be inserted, deleted or changed.", most=LONGEST)
_WORD = re.compile(r"[^\W_]+")


class EditSimilarity(Scorer):
    """One minus the edits between both, as a share of the longer one's length; blanks around them do not count."""

    kind: ClassVar[str] = "levenshtein"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = (
        "how alike output and target are: 1 minus the Levenshtein distance by the longer one's length"
    )
    is_binary: ClassVar[bool] = False
    default_threshold: ClassVar[float | None] = 0.8
    example: ClassVar[Example] = Example(
        {"kind": "levenshtein", "threshold": 0.7}, Output("lost card"), Output("stolen"), Asked(expected="last card")
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        said, wanted = _both(output, target)
        value = float(Levenshtein.normalized_similarity(said, wanted))
        return Score(value, True, f"{excerpt(said)} is {value:.2f} alike {excerpt(wanted)}.")


class EditDistance(Scorer):
    """The edits themselves, against a number of them."""

    kind: ClassVar[str] = "edit_distance"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "the Levenshtein distance between output and target is at most `most`"
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    is_binary: ClassVar[bool] = False
    options: ClassVar[tuple[Option[Any], ...]] = (MOST_EDITS, EXACT)
    example: ClassVar[Example] = Example(
        {"kind": "edit_distance", "most": 2}, Output("lost card"), Output("stolen"), Asked(expected="last card")
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        said, wanted = _both(output, target, is_exact=EXACT.of(spec))
        distance = Levenshtein.distance(said, wanted)
        words = f"{excerpt(said)} is {distance} edit{'' if distance == 1 else 's'} away from {excerpt(wanted)}."
        return Score(float(distance), distance <= MOST_EDITS.of(spec), words)


class RougeN(Scorer):
    """ROUGE-N: n words in a row that both have. Words are letters and digits in lower case, of any script."""

    kind: ClassVar[str] = "rouge_n"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "ROUGE-N: how many runs of `n` words output and target share; of a list, the best counts"
    is_binary: ClassVar[bool] = False
    default_threshold: ClassVar[float | None] = 0.75
    options: ClassVar[tuple[Option[Any], ...]] = (N, MEASURE)
    example: ClassVar[Example] = Example(
        {"kind": "rouge_n", "n": 1, "threshold": 0.6},
        Output("the cat sat on the mat"),
        Output("a dog ran over the road"),
        Asked(expected="the cat was on the mat"),
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        said = words_of(output.text)
        value = max(self._share(said, words_of(wanted), spec) for wanted in _references(target))
        return Score(value, True, f"{self.kind.upper().replace('_', '-')} {MEASURE.of(spec)} is {value:.3f}.")

    def _share(self, said: Sequence[str], wanted: Sequence[str], spec: ScorerSpec) -> float:
        one, other = runs(said, N.of(spec)), runs(wanted, N.of(spec))
        return _measured((one & other).total(), one.total(), other.total(), MEASURE.of(spec))


class RougeL(RougeN):
    """ROUGE-L: the longest sequence of words that both have in that order, with others between."""

    kind: ClassVar[str] = "rouge_l"
    about: ClassVar[str] = "ROUGE-L: the longest common sequence of words, by the words of output and target"
    options: ClassVar[tuple[Option[Any], ...]] = (MEASURE,)
    example: ClassVar[Example] = Example(
        {"kind": "rouge_l", "measure": "recall"},
        Output("Well: the cat sat on the mat."),
        Output("on the mat the cat"),
        Asked(expected="the cat sat on a mat"),
    )

    def _share(self, said: Sequence[str], wanted: Sequence[str], spec: ScorerSpec) -> float:
        if max(len(said), len(wanted)) > LONGEST:
            raise UnscorableError(f"The texts are too long to compare: more than {LONGEST:,} words.")
        return _measured(LCSseq.similarity(said, wanted), len(said), len(wanted), MEASURE.of(spec))


class Bleu(Scorer):
    """BLEU of one sentence, up to four words in a row: as sacrebleu's, with its tokens (13a), smoothing and effective order.

    Case counts. From 0 to 1 here, from 0 to 100 there.
    """

    kind: ClassVar[str] = "bleu"
    family: ClassVar[Family] = "text"
    about: ClassVar[str] = "sentence BLEU of the output against the target, or against a list of them"
    is_binary: ClassVar[bool] = False
    default_threshold: ClassVar[float | None] = 0.5
    example: ClassVar[Example] = Example(
        {"kind": "bleu"},
        Output("The cat sat on the mat today."),
        Output("A dog ran over the road."),
        Asked(expected=["The cat sat on the mat.", "The cat is on the mat today."]),
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        value = bleu(output.text, _references(target))
        return Score(value, True, f"BLEU is {value:.3f}.")


def words_of(text: str) -> list[str]:
    """Runs of letters and digits in lower case."""
    return _WORD.findall(text.lower())


def bleu(said: str, references: Sequence[str]) -> float:
    """Sentence BLEU (Papineni et al. 2002) with exponential smoothing (Chen and Cherry 2014, method 3)."""
    tokens, wanted = _tokens(said), [_tokens(reference) for reference in references]
    closest = min((abs(len(one) - len(tokens)), len(one)) for one in wanted)[1]
    logs, doublings = [], 0
    for n in range(1, min(4, len(tokens)) + 1):
        ours, best = runs(tokens, n), Counter[tuple[str, ...]]()
        for one in wanted:
            best |= runs(one, n)
        hits = (ours & best).total()
        if n == 1 and not hits:
            return 0.0
        doublings += not hits
        logs.append(math.log(hits or 0.5**doublings) - math.log(ours.total()))
    brevity = min(0.0, 1 - closest / len(tokens)) if tokens else -math.inf
    return min(1.0, math.exp(brevity + sum(logs) / len(logs))) if logs else 0.0


_SPLITS = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def _tokens(text: str) -> list[str]:
    """As mteval-v13a splits: punctuation apart, except within numbers."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, apart in _SPLITS:
        text = pattern.sub(apart, text)
    return text.split()


def _measured(hits: int, said: int, wanted: int, measure: str) -> float:
    if measure == "f1":
        return f1(hits, said, wanted)
    return hits / max(said if measure == "precision" else wanted, 1)


def _references(target: JSON) -> list[str]:
    references = [as_text(one) for one in target] if isinstance(target, list) else [as_text(target)]
    if not references or not all(one.strip() for one in references):
        raise UnscorableError("There is no text to compare with: the value is empty for this case.")
    return references


def _both(output: Output, target: JSON, *, is_exact: bool = False) -> tuple[str, str]:
    said, wanted = output.text, as_text(target)
    said, wanted = (said, wanted) if is_exact else (said.strip(), wanted.strip())
    if max(len(said), len(wanted)) > LONGEST:
        raise UnscorableError(f"The texts are too long to compare: more than {LONGEST:,} characters.")
    return said, wanted
