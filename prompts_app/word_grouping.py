"""The words of a change grouped as a person would mark them: no shared scraps between changes, edges where words end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SCRAP_WORDS = 3  # a shared stretch of so many words at most is none, where more differs on both sides of it
SHORT = 2  # characters of a scrap that is one between any two changes of that size: a comma, "of"
PASSES = 4
MANY_STRETCHES = 5_000  # from which on nothing is grouped: it would not be read word by word


class Stretch(NamedTuple):
    """Tokens in order: of a shared stretch `old` and `new` are the same."""

    old: Sequence[str]
    new: Sequence[str]
    is_same: bool


def grouped(stretches: Sequence[Stretch]) -> list[Stretch]:
    """The same two texts, shared scraps given to the changes around them and the edges of what was put in or taken out
    moved to where a line, a sentence or a word ends. Linear in the number of tokens."""
    found = list(stretches)
    if len(found) < MANY_STRETCHES:
        for _ in range(PASSES):
            fewer = _without_scraps(found)
            if len(fewer) == len(found):
                break
            found = fewer
        _slide(found)
    return found


def _without_scraps(stretches: list[Stretch]) -> list[Stretch]:
    kept: list[Stretch] = []
    last = len(stretches) - 1
    for index, one in enumerate(stretches):
        is_scrap = one.is_same and 0 < index < last and _is_scrap(stretches[index - 1], one, stretches[index + 1])
        if not kept or kept[-1].is_same or (one.is_same and not is_scrap):
            kept.append(one)
        else:
            kept[-1] = Stretch([*kept[-1].old, *one.old], [*kept[-1].new, *one.new], is_same=False)
    return kept


def _is_scrap(before: Stretch, shared: Stretch, after: Stretch) -> bool:
    if len(shared.new) > 2 * SCRAP_WORDS + 1:
        return False
    text = "".join(shared.new)
    size = len(text.strip())
    most = min(_size(before), _size(after))
    return "\n" not in text and (size * 3 <= most * 2 or size <= min(most, SHORT))


def _size(change: Stretch) -> int:
    return max(sum(map(len, change.old)), sum(map(len, change.new)))


def _slide(found: list[Stretch]) -> None:
    for index in range(1, len(found) - 1):
        before, change, after = found[index - 1 : index + 2]
        if before.is_same and after.is_same and not change.is_same and bool(change.old) != bool(change.new):
            found[index - 1 : index + 2] = _best_place(before, change, after)


def _best_place(before: Stretch, change: Stretch, after: Stretch) -> list[Stretch]:
    """What was put in may stand as well some tokens earlier or later where its ends repeat what is beside it."""
    moved = change.old or change.new
    left, right = list(before.new), list(after.new)
    back = 0
    while back < min(len(moved), len(left)) and left[-1 - back] == moved[-1 - back]:
        back += 1
    ahead = 0
    while ahead < min(len(moved), len(right)) and right[ahead] == moved[ahead]:
        ahead += 1
    if not back and not ahead:
        return [before, change, after]
    whole = [*left[len(left) - back :], *moved, *right[:ahead]]
    size = len(moved)
    outer_left = "".join(left[-1 - back : len(left) - back])
    places = range(back + ahead + 1)
    best = max(places, key=lambda place: (_edge(whole, place, outer_left) + _edge(whole, place + size, ""), place))
    shared_left = [*left[: len(left) - back], *whole[:best]]
    shared_right = [*whole[best + size :], *right[ahead:]]
    inner = whole[best : best + size]
    return [
        Stretch(shared_left, shared_left, is_same=True),
        Stretch(inner, [], is_same=False) if change.old else Stretch([], inner, is_same=False),
        Stretch(shared_right, shared_right, is_same=True),
    ]


def _edge(tokens: list[str], place: int, before: str) -> int:
    """How natural it is to cut before this token: 3 after a line's end, 2 after a sentence's, 1 after a blank."""
    last = tokens[place - 1] if place else before
    if not last or "\n" in last:
        return 3
    if last.isspace():
        earlier = tokens[place - 2] if place > 1 else ""
        return 2 if earlier and earlier[-1] in ".!?;:" else 1
    return 0
