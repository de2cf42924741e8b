"""Two JSON values compared by DeepDiff: which paths were added, removed or changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from prompts_app.alignment import Block, blocks
from registry.core.canonical import JSON

if TYPE_CHECKING:
    from deepdiff import DeepDiff
    from deepdiff.model import DiffLevel

type FieldOp = Literal["added", "removed", "changed"]

MOST_CHARACTERS = 5_000_000  # of both as JSON: 1 s with none but small numbers
MOST_STEPS = 20_000  # of all paths together: what DeepDiff takes grows with them
LETTERS_OF_A_STEP = 100  # a longer key counts as several: each difference below it has it in its path
LIST_CELLS = 25_000_000
OPS: dict[str, FieldOp] = {
    "dictionary_item_added": "added",
    "dictionary_item_removed": "removed",
    "values_changed": "changed",
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One path: `old` is None where it was added, `new` where it was removed.

    The path leads to the value in the version that has it, so that the list positions of what was removed are the old ones
    from end to end, and those of what was added or changed the new ones.
    """

    path: str
    op: FieldOp
    old: JSON
    new: JSON

    def to_json(self) -> dict[str, JSON]:
        return {"path": self.path, "op": self.op, "old": self.old, "new": self.new}


def structure_changes(old: JSON, new: JSON, path: str) -> tuple[FieldChange, ...]:
    """All differences, in the order of the new value, what was removed after what stayed; none when strictly equal.

    Strictly: 1, 1.0 and true differ; the order of an object's keys does not matter. List entries are matched when equal,
    or by name where all are objects with a `name` of their own (a tool's is `function.name`); what lies between matched
    entries is compared in order where there are no names.

    Bounded, 2 MB against another 2 MB take about 1 s: beyond 5 million characters of JSON together all is one change.
    Below, differences are told apart until their paths would have 20,000 steps together, such as 5,000 differences four
    levels deep; a key counts as one more for each 100 letters. An object or list with more than are left is one change.
    """
    texts = [json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for value in (old, new)]
    if texts[0] == texts[1]:
        return ()
    if sum(map(len, texts)) > MOST_CHARACTERS:
        return (FieldChange(path, "changed", old, new),)
    from deepdiff import DeepDiff  # here, so that a process starts 0.2 s sooner: few ever need it

    found = DeepDiff(
        old,
        new,
        view="tree",
        custom_operators=[_Matching()],
        ignore_private_variables=False,  # keys that start with "__"
        threshold_to_diff_deeper=0,  # objects with few keys in common are looked into all the same
    )
    levels = [(level.path(output_format="list"), level) for reported in found.values() for level in reported]
    return tuple(_change(path, steps, level) for steps, level in sorted(levels, key=lambda pair: pair[0]))


class _Step(NamedTuple):
    """A key of the objects that DeepDiff is shown: its place among its neighbours, and how a path on each side says it."""

    place: int
    old: str
    new: str


def _change(path: str, steps: list[_Step], level: DiffLevel) -> FieldChange:
    op = OPS[str(level.report_type)]
    was, now = None if op == "added" else level.t1, None if op == "removed" else level.t2
    return FieldChange(path + "".join(step.old if op == "removed" else step.new for step in steps), op, was, now)


class _Pair(NamedTuple):
    """Keys or positions of two entries that belong together; None where there is no partner."""

    old: str | int | None
    new: str | int | None


class _Matching:
    """Tells DeepDiff which entries belong together: it is shown objects and lists as objects of what differs, by step.

    It is asked about what differs only, so that any other value is a change as it stands. Left alone DeepDiff matches
    list entries by position, walks through all that is equal, takes 0.0 for -0.0 and compares long texts line by line.
    """

    def __init__(self) -> None:
        self.number = _Numbers().number
        self.room = MOST_STEPS

    def match(self, level: DiffLevel) -> bool:
        return True

    def give_up_diffing(self, level: DiffLevel, diff_instance: DeepDiff) -> bool:
        old, new = level.t1, level.t2
        above: list[_Step] = level.path(output_format="list")
        letters = sum(max(len(step.old), len(step.new)) for step in above)
        each = len(above) + 1 + letters // LETTERS_OF_A_STEP
        pairs = list(islice(self._differing(old, new), self.room // each + 1))
        if not pairs or len(pairs) * each > self.room:
            diff_instance.custom_report_result("values_changed", level)  # type: ignore[no-untyped-call]
            return True
        self.room -= len(pairs) * each
        pairs.sort(key=lambda pair: pair.new is None)
        steps = [(_Step(place, _text(pair.old), _text(pair.new)), pair) for place, pair in enumerate(pairs)]
        level.t1 = {step: old[pair.old] for step, pair in steps if pair.old is not None}
        level.t2 = {step: new[pair.new] for step, pair in steps if pair.new is not None}
        return False

    def _differing(self, old: JSON, new: JSON) -> Iterator[_Pair]:
        """Of two objects or two lists the entries that differ; none of other values."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key, value in new.items():
                if key not in old:
                    yield _Pair(None, key)
                elif self.number(old[key]) != self.number(value):
                    yield _Pair(key, key)
            yield from (_Pair(key, None) for key in old if key not in new)
        elif isinstance(old, list) and isinstance(new, list):
            for i, j in self._aligned(old, new):
                if i is None or j is None or self.number(old[i]) != self.number(new[j]):
                    yield _Pair(i, j)

    def _aligned(self, old: list[JSON], new: list[JSON]) -> Iterator[tuple[int | None, int | None]]:
        """Positions of entries that belong together, and of those that have no partner (None)."""
        named = [[_name(entry) for entry in entries] for entries in (old, new)]
        has_names = all(None not in names and len(set(names)) == len(names) for names in named)
        labels = named if has_names else [[self.number(entry) for entry in entries] for entries in (old, new)]
        whole: list[Block] = [(0, len(old), 0, len(new), False)]
        for i, i_end, j, j_end, is_same in blocks(*labels) if len(old) * len(new) <= LIST_CELLS else whole:
            paired = min(i_end - i, j_end - j) if is_same or not has_names else 0
            yield from ((i + offset, j + offset) for offset in range(paired))
            yield from ((None, added) for added in range(j + paired, j_end))
            yield from ((gone, None) for gone in range(i + paired, i_end))


class _Numbers:
    """Numbers values so that equal numbers mean strictly equal values; each object is looked at once."""

    def __init__(self) -> None:
        self.known: dict[object, int] = {}
        self.seen: dict[int, int] = {}

    def number(self, value: JSON) -> int:
        key: object
        if isinstance(value, dict):
            if (number := self.seen.get(id(value))) is not None:
                return number
            key = ("{", *sorted((name, self.number(inner)) for name, inner in value.items()))
        elif isinstance(value, list):
            if (number := self.seen.get(id(value))) is not None:
                return number
            key = ("[", *(self.number(inner) for inner in value))
        else:
            key = (type(value), repr(value) if isinstance(value, float) else value)
        number = self.known.setdefault(key, len(self.known))
        if isinstance(value, dict | list):
            self.seen[id(value)] = number
        return number


def _name(entry: JSON) -> str | None:
    """The name an entry goes by, such as a tool's."""
    if not isinstance(entry, dict):
        return None
    inner = entry.get("function", entry)
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) and name else None


def _text(key: str | int | None) -> str:
    """As in a path: `.b`, `[2]`, or `["b c"]` where a key is no plain word."""
    if isinstance(key, str):
        quoted = key.replace("\\", "\\\\").replace('"', '\\"')
        return f".{key}" if key.replace("-", "_").isidentifier() else f'["{quoted}"]'
    return "" if key is None else f"[{key}]"
