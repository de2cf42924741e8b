"""METEOR of an answer against a reference: words that are the same, of the same stem, or synonyms, and how they hang together."""

from __future__ import annotations

import lzma
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

from evals_app.scorers.meteor.stems import stem
from evals_app.scorers.trimming import BLANKS

_FILE = Path(__file__).with_name("synonyms.txt.xz")
_BLANKS = re.compile(f"[{BLANKS}]+")

type Words = list[tuple[int, str]]


def meteor(said: str, reference: str, *, alpha: float, beta: float, gamma: float) -> float:
    """From 0 to 1; `alpha` weighs precision against recall, `beta` and `gamma` what words apart cost."""
    ours, theirs = _words(said), _words(reference)
    precise, recalled = len(ours), len(theirs)
    pairs, ours, theirs = _paired(ours, theirs, _itself)
    ours, theirs = ([(place, stem(word)) for place, word in words] for words in (ours, theirs))
    for others in (_itself, _with_synonyms):
        found, ours, theirs = _paired(ours, theirs, others)
        pairs += found
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / precise, len(pairs) / recalled
    weighed = alpha * precision + (1 - alpha) * recall
    penalty = gamma * math.pow(_pieces(sorted(pairs)) / len(pairs), beta)
    return (1 - penalty) * (precision * recall / weighed)


def _paired(
    ours: Words, theirs: Words, others: Callable[[str], Iterable[str]]
) -> tuple[list[tuple[int, int]], Words, Words]:
    """From the end, each word with the last one left that it goes with; and the words that have none."""
    left: dict[str, list[int]] = defaultdict(list)
    for position, (_, word) in enumerate(theirs):
        left[word].append(position)
    pairs, alone, taken = [], [], set()
    for place, word in reversed(ours):
        fitting = [left[other][-1] for other in others(word) if left.get(other)]
        if not fitting:
            alone.append((place, word))
            continue
        position = max(fitting)
        left[theirs[position][1]].pop()
        taken.add(position)
        pairs.append((place, theirs[position][0]))
    return pairs, alone[::-1], [one for position, one in enumerate(theirs) if position not in taken]


def _pieces(pairs: list[tuple[int, int]]) -> int:
    """How many runs of words there are that stand after each other in both."""
    return 1 + sum(after != (before[0] + 1, before[1] + 1) for before, after in pairwise(pairs))


def _itself(word: str) -> Iterable[str]:
    return (word,)


def _with_synonyms(word: str) -> Iterable[str]:
    return {word, *(other for line in _synonyms().get(word, ()) for other in line)}


@cache
def _synonyms() -> Mapping[str, list[list[str]]]:
    """The sets of synonyms that a word leads to; read when the first word asks."""
    found: dict[str, list[list[str]]] = defaultdict(list)
    for line in lzma.decompress(_FILE.read_bytes()).decode().split("\n"):
        words = [word.removeprefix("!") for word in line.split(" ")]
        for word in line.split(" "):
            if not word.startswith("!"):
                found[word.partition("(")[0].lower()].append(words)
    return dict(found)


def _words(text: str) -> Words:
    return list(enumerate(word.rstrip(".").lower() for word in _BLANKS.split(text)))
