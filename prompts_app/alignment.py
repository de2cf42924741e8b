"""Two sequences aligned so that as much as possible agrees."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import cast

from rapidfuzz.distance import Indel

# From and up to which position of the old sequence, the same of the new one, and whether they are equal there.
type Block = tuple[int, int, int, int, bool]


def blocks(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Block]:
    """All of both sequences in order, equal blocks and differences in turn (longest common subsequence).

    Takes len(old) * len(new) / 8 bytes: the caller caps that. The library compares hashes, so that what it calls equal
    is looked at once more.
    """
    opcodes = cast("list[tuple[str, int, int, int, int]]", Indel.opcodes(old, new).as_list())
    found: list[Block] = []
    i = j = 0
    for tag, a, a_end, b, b_end in opcodes:
        if tag == "equal" and old[a:a_end] == new[b:b_end]:
            if i < a or j < b:
                found.append((i, a, j, b, False))
            found.append((a, a_end, b, b_end, True))
            i, j = a_end, b_end
    if i < len(old) or j < len(new):
        found.append((i, len(old), j, len(new), False))
    return found


def best_pairs(score: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Which row goes with which column, in order on both sides, so that the scores add up to most; 0 never pairs.

    Dynamic programming over all cells: the caller caps their number.
    """
    rows, columns = len(score), len(score[0]) if score else 0
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + score[i][j])
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < rows and j < columns:
        if score[i][j] > 0 and best[i][j] == best[i + 1][j + 1] + score[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs
