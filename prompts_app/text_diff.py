"""Two texts compared: by lines first, then by words inside what changed; and the same seen as numbered lines."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from rapidfuzz.distance import Indel

from prompts_app.alignment import Block, best_pairs, blocks
from prompts_app.word_grouping import Stretch, grouped

type Op = Literal["same", "delete", "insert"]

LINES = re.compile(r"[^\n]*\n|[^\n]+")
SENTENCES = re.compile(r"[^.!?;,\n]*[.!?;,\n]+\s*|[^.!?;,\n]+")
# A word, one character of a script written without blanks, a line end, one run of blanks, or one other character.
WORDS = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|\n|[^\S\n]+|[^\w\s]"
)
# Caps on (old tokens) times (new tokens) of one alignment: an eighth of it is bytes of memory.
LINE_CELLS, SENTENCE_CELLS, WORD_CELLS = 160_000_000, 80_000_000, 24_000_000

MANY = 100_000  # pieces of both sides together from which on a block is replaced as a whole
LARGE = 60_000  # characters of a block from which on it is cut into sentences
LINE_PAIRS = 10_000  # pairs of lines of a block looked at for which belong together
ALIKE_LINES = 0.6  # how alike two lines are at least that belong together, from 0 to 1
ALIKE = 0.35  # share of the shorter block's characters that must agree, else its words are not compared


class Run(NamedTuple):
    """A stretch of text that both sides have, or only one. In a change the deleted text comes before the inserted."""

    op: Op
    text: str


def text_runs(old: str, new: str) -> tuple[Run, ...]:
    """The difference as runs, never two of the same op in a row.

    All "same" and "insert" texts together are `new`, all "same" and "delete" texts `old`, exactly. Bounded in time and
    memory: a changed block beyond the cap of its level is cut at anchors (lines that occur once), and what stays too
    large is replaced as a whole.
    """
    if old == new:
        return (Run("same", old),) if old else ()
    runs = _Runs()
    start, end = _common_ends(old, new, "\n")
    runs.same(old[:start])
    _compare_lines(old[start : len(old) - end], new[start : len(new) - end], runs)
    runs.same(old[len(old) - end :])
    return runs.finish()


def _compare_lines(old: str, new: str, runs: _Runs) -> None:
    if _pieces(old, "\n") + _pieces(new, "\n") > MANY:
        runs.change(old, new)
        return
    old_lines, new_lines = LINES.findall(old), LINES.findall(new)
    for a, a_end, b, b_end, is_same in _align(old_lines, new_lines, LINE_CELLS):
        if is_same:
            runs.same("".join(old_lines[a:a_end]))
        else:
            _compare_block("".join(old_lines[a:a_end]), "".join(new_lines[b:b_end]), runs)


def _compare_block(old: str, new: str, runs: _Runs) -> None:
    """Line against the line it is most like, word by word; what is too large for that by sentences, between what it
    starts and ends with."""
    if not old or not new:
        runs.change(old, new)
        return
    if len(old) + len(new) < LARGE:
        _compare_paired_lines(LINES.findall(old), LINES.findall(new), runs)
        return
    start, end = _common_ends(old, new, " ")
    runs.same(old[:start])
    _compare_sentences(old[start : len(old) - end], new[start : len(new) - end], runs)
    runs.same(old[len(old) - end :])


def _compare_paired_lines(old: list[str], new: list[str], runs: _Runs) -> None:
    """Lines that belong together word by word; what lies between them as one block, whose lines may flow otherwise."""
    pairs = _line_pairs(old, new) if 1 < len(old) * len(new) <= LINE_PAIRS else []
    i = j = 0
    for a, b in [*pairs, (len(old), len(new))]:
        if i < a or j < b:
            _compare_words("".join(old[i:a]), "".join(new[j:b]), runs)
        if a < len(old):
            _compare_words(old[a], new[b], runs)
        i, j = a + 1, b + 1


def _line_pairs(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Positions of lines that belong together, in order on both sides: those most alike, long ones before short ones."""
    score = [
        [Indel.normalized_similarity(a, b, score_cutoff=ALIKE_LINES) * min(len(a), len(b)) for b in new] for a in old
    ]
    return best_pairs(score)


def _compare_sentences(old: str, new: str, runs: _Runs) -> None:
    if _pieces(old, ".!?;,\n") + _pieces(new, ".!?;,\n") > MANY:
        runs.change(old, new)
        return
    old_parts, new_parts = SENTENCES.findall(old), SENTENCES.findall(new)
    for a, a_end, b, b_end, is_same in _align(old_parts, new_parts, SENTENCE_CELLS):
        before, after = "".join(old_parts[a:a_end]), "".join(new_parts[b:b_end])
        if is_same:
            runs.same(before)
        else:
            _compare_sentence(before, after, runs)


def _compare_sentence(old: str, new: str, runs: _Runs) -> None:
    """Word by word; what is still too large line against line where both sides have as many."""
    old_lines, new_lines = LINES.findall(old), LINES.findall(new)
    if len(old) + len(new) < LARGE or len(old_lines) != len(new_lines):
        old_lines, new_lines = [old], [new]
    for before, after in zip(old_lines, new_lines, strict=True):
        _compare_words(before, after, runs)


def _compare_words(old_text: str, new_text: str, runs: _Runs) -> None:
    """Word by word, or as a whole where that is too much or too little agrees to be more than chance."""
    old, new = WORDS.findall(old_text, 0, LARGE), WORDS.findall(new_text, 0, LARGE)
    if len(old_text) > LARGE or len(new_text) > LARGE or len(old) * len(new) > WORD_CELLS:
        runs.change(old_text, new_text)
        return
    aligned = [Stretch(old[a:a_end], new[b:b_end], is_same) for a, a_end, b, b_end, is_same in blocks(old, new)]
    found = [("".join(one.old), "".join(one.new), one.is_same) for one in grouped(aligned)]
    kept = sum(len(before) for before, _, is_same in found if is_same)
    deleted = sum(len(before) for before, _, is_same in found if not is_same)
    inserted = sum(len(after) for _, after, is_same in found if not is_same)
    if kept < ALIKE * (kept + min(deleted, inserted)):
        found = [(old_text, new_text, False)]
    for before, after, is_same in found:
        if is_same:
            runs.same(before)
        else:
            runs.change(before, after)


def _common_ends(old: str, new: str, separator: str) -> tuple[int, int]:
    """How many characters both start with and end with, up to and from a separator."""
    shorter = min(len(old), len(new))
    start = bisect_left(range(1, shorter + 1), True, key=lambda size: old[:size] != new[:size])
    start = old.rfind(separator, 0, start) + 1
    room = shorter - start
    end = bisect_left(range(1, room + 1), True, key=lambda size: old[len(old) - size :] != new[len(new) - size :])
    found = old.find(separator, len(old) - end)
    return start, len(old) - found - 1 if found >= 0 else 0


def _pieces(text: str, marks: str) -> int:
    """At most how many pieces a text has that end with these marks."""
    return 1 + sum(text.count(mark) for mark in marks)


def _align(old: list[str], new: list[str], cells: int) -> list[Block]:
    """The best alignment; beyond the cap the best between anchors, and what is still too large differs as a whole."""
    if len(old) * len(new) <= cells:
        return blocks(old, new)
    found: list[Block] = []
    i = j = 0
    for a, b in [*_anchors(old, new), (len(old), len(new))]:
        if (a - i) * (b - j) <= cells:
            between = blocks(old[i:a], new[j:b])
            found += [(i + c, i + d, j + e, j + f, is_same) for c, d, e, f, is_same in between]
        else:
            found.append((i, a, j, b, False))
        found.append((a, min(a + 1, len(old)), b, min(b + 1, len(new)), True))
        i, j = a + 1, b + 1
    return found


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Positions of tokens that occur once on each side, in an order that holds on both (the longest such list)."""
    once = {token for token, count in Counter(old).items() if count == 1}
    once &= {token for token, count in Counter(new).items() if count == 1}
    places = {token: place for place, token in enumerate(new) if token in once}
    pairs = [(place, places[token]) for place, token in enumerate(old) if token in once]
    ends: list[int] = []
    tails: list[int] = []
    previous: list[int] = []
    for index, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        previous.append(tails[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        tails[length : length + 1] = [index]
    chain: list[tuple[int, int]] = []
    index = tails[-1] if tails else -1
    while index >= 0:
        chain.append(pairs[index])
        index = previous[index]
    return chain[::-1]


class _Runs:
    """Collects runs: neighbours of one op join, and blanks between two changes of a line go with them."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.kept: list[str] = []
        self.deleted: list[str] = []
        self.inserted: list[str] = []

    def same(self, text: str) -> None:
        if not text:
            return
        if self.deleted or self.inserted:
            if not self.kept and text.isspace() and "\n" not in text:
                self.kept.append(text)
                return
            self._flush_change()
        self.kept.append(text)

    def change(self, old: str, new: str) -> None:
        if self.kept:
            if self.deleted or self.inserted:
                self.deleted += self.kept
                self.inserted += self.kept
            else:
                self.runs.append(Run("same", "".join(self.kept)))
            self.kept = []
        if old:
            self.deleted.append(old)
        if new:
            self.inserted.append(new)

    def finish(self) -> tuple[Run, ...]:
        self._flush_change()
        if self.kept:
            self.runs.append(Run("same", "".join(self.kept)))
        return tuple(self.runs)

    def _flush_change(self) -> None:
        if self.deleted:
            self.runs.append(Run("delete", "".join(self.deleted)))
        if self.inserted:
            self.runs.append(Run("insert", "".join(self.inserted)))
        self.deleted, self.inserted = [], []
