"""What two lists of words have in common. Pure."""

from collections import Counter
from collections.abc import Sequence


def runs(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each n words stand in a row."""
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def f1(hits: int, said: int, wanted: int) -> float:
    """The harmonic mean of precision, hits among what was said, and recall, hits among what was wanted; 0 without a hit."""
    if not hits:
        return 0.0
    precision, recall = hits / said, hits / wanted
    return 2 * precision * recall / (precision + recall)
