"""Two JSON values compared: which paths were added, removed or changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from prompts_app.alignment import Block, blocks
from registry.core.canonical import JSON

type FieldOp = Literal["added", "removed", "changed"]

LIST_CELLS = 25_000_000


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One path: `old` is None where it was added, `new` where it was removed. List positions are those of the side shown.

    Of a changed entry whose list moved, the position is the new one.
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
    """
    numbers = _Numbers()
    return tuple(_walk(old, new, path, numbers.number))


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


def _walk(old: JSON, new: JSON, path: str, number: Callable[[JSON], int]) -> Iterator[FieldChange]:
    if number(old) == number(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in new.items():
            if key in old:
                yield from _walk(old[key], value, step(path, key), number)
            else:
                yield FieldChange(step(path, key), "added", None, value)
        for key, value in old.items():
            if key not in new:
                yield FieldChange(step(path, key), "removed", value, None)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, path, number)
    else:
        yield FieldChange(path, "changed", old, new)


def _lists(old: list[JSON], new: list[JSON], path: str, number: Callable[[JSON], int]) -> Iterator[FieldChange]:
    removed: list[FieldChange] = []
    for i, j in _pairs(old, new, number):
        if i is None and j is not None:
            yield FieldChange(f"{path}[{j}]", "added", None, new[j])
        elif j is None and i is not None:
            removed.append(FieldChange(f"{path}[{i}]", "removed", old[i], None))
        elif i is not None and j is not None:
            yield from _walk(old[i], new[j], f"{path}[{j}]", number)
    yield from removed


def _pairs(old: list[JSON], new: list[JSON], number: Callable[[JSON], int]) -> Iterator[tuple[int | None, int | None]]:
    """Positions of entries that belong together, and of those that have no partner (None)."""
    named = [[_label(entry) for entry in entries] for entries in (old, new)]
    has_names = all(None not in names and len(set(names)) == len(names) for names in named)
    labels = named if has_names else [[number(entry) for entry in entries] for entries in (old, new)]
    whole: list[Block] = [(0, len(old), 0, len(new), False)]
    for i, i_end, j, j_end, is_same in blocks(*labels) if len(old) * len(new) <= LIST_CELLS else whole:
        yield from _between(range(i, i_end), range(j, j_end), together=is_same or not has_names)


def _between(old: range, new: range, *, together: bool) -> Iterator[tuple[int | None, int | None]]:
    paired = min(len(old), len(new)) if together else 0
    yield from zip(old[:paired], new[:paired], strict=True)
    yield from ((None, j) for j in new[paired:])
    yield from ((i, None) for i in old[paired:])


def _label(entry: JSON) -> str | None:
    """The name an entry goes by, such as a tool's."""
    if not isinstance(entry, dict):
        return None
    inner = entry.get("function", entry)
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) and name else None


def step(path: str, key: str) -> str:
    """The path of a key inside an object: `a.b`, or `a["b c"]` where the key is no plain word."""
    if key.replace("-", "_").isidentifier():
        return f"{path}.{key}" if path else key
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{quoted}"]'
