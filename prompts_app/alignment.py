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
