"""A text diff as rows to draw: one column or two, long unchanged stretches folded, each line with its numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from prompts_app.line_view import Line, LineView, Row, line_view
from prompts_app.text_diff import Run

type RowOp = Literal["same", "changed", "delete", "insert"]

MOST_ROWS = 3_000  # changed rows of one text that are drawn
MOST_FOLDED = 2_000  # unchanged lines of one text that can be unfolded
SHORT_FOLD = 2  # so few unchanged lines are shown rather than folded
MERGED = 0.4  # share of the longer line that both must have for a changed line to be drawn once


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """One line of a column; `old` and `new` are its numbers, None where that side has none.

    A line that is `changed` has what was deleted and what was inserted in its runs, in reading order.
    """

    op: RowOp
    old: int | None
    new: int | None
    runs: tuple[Run, ...]
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class DrawnPair:
    """Two lines side by side."""

    op: RowOp
    old: Line | None
    new: Line | None
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """Unchanged lines that are hidden until asked for; `rows` is empty where there are too many to send along."""

    count: int
    rows: tuple[DrawnLine | DrawnPair, ...]


type DrawnRow = DrawnLine | DrawnPair | Fold


@dataclass(frozen=True, slots=True)
class DrawnText:
    """All rows of one text. `added` and `removed` count lines; `is_cut`: there are more changed rows than are drawn."""

    rows: tuple[DrawnRow, ...]
    added: int
    removed: int
    is_cut: bool


def drawn_text(runs: Sequence[Run], *, side_by_side: bool, context: int = 3) -> DrawnText:
    """The rows of a diff, in order; none where nothing changed."""
    view = line_view(runs, context=context, limit=MOST_ROWS)
    texts = "".join(run.text for run in runs if run.op != "delete").split("\n")
    rows = list(_rows(view, texts, side_by_side=side_by_side))
    changed = [row for hunk in view.hunks for row in hunk.rows if not row.is_same]
    return DrawnText(
        rows=tuple(_with_first(rows)),
        added=sum(row.new is not None for row in changed),
        removed=sum(row.old is not None for row in changed),
        is_cut=view.is_cut,
    )


def _rows(view: LineView, texts: list[str], *, side_by_side: bool) -> Iterator[DrawnRow]:
    old, new, room = 0, 0, MOST_FOLDED
    for hunk in view.hunks:
        if hunk.skipped:
            fold = _fold(texts, old, new, hunk.skipped, room, side_by_side=side_by_side)
            room -= len(fold.rows)
            yield from fold.rows if 0 < hunk.skipped <= SHORT_FOLD and fold.rows else (fold,)
        yield from (DrawnPair(_op(row), row.old, row.new) for row in hunk.rows) if side_by_side else _merged(hunk.rows)
        old = max((row.old.number for row in hunk.rows if row.old), default=old + hunk.skipped)
        new = max((row.new.number for row in hunk.rows if row.new), default=new + hunk.skipped)
    rest = len(texts) - new - (1 if texts[-1] == "" else 0)
    if view.hunks and rest > 0 and not view.is_cut:
        fold = _fold(texts, old, new, rest, room, side_by_side=side_by_side)
        yield from fold.rows if rest <= SHORT_FOLD and fold.rows else (fold,)


def _fold(texts: list[str], old: int, new: int, count: int, room: int, *, side_by_side: bool) -> Fold:
    """The lines after these numbers, which both sides have."""
    if count > room:
        return Fold(count, ())
    rows: list[DrawnLine | DrawnPair] = []
    for offset in range(1, count + 1):
        runs = (Run("same", texts[new + offset - 1]),)
        before, after = Line(old + offset, runs), Line(new + offset, runs)
        line = DrawnLine("same", before.number, after.number, runs)
        rows.append(DrawnPair("same", before, after) if side_by_side else line)
    return Fold(count, tuple(rows))


def _op(row: Row) -> RowOp:
    if row.is_same:
        return "same"
    return "insert" if row.old is None else "delete" if row.new is None else "changed"


def _merged(rows: Iterable[Row]) -> Iterator[DrawnLine]:
    """Rows in one column: a line that is much the same once, with its words marked; of other changes first what is gone."""
    waiting: list[DrawnLine] = []
    for row in rows:
        merged = _once(row)
        if merged is not None:
            yield from waiting
            waiting = []
            yield merged
            continue
        if row.old is not None:
            yield DrawnLine("delete", row.old.number, None, row.old.runs)
        if row.new is not None:
            waiting.append(DrawnLine("insert", None, row.new.number, row.new.runs))
    yield from waiting


def _once(row: Row) -> DrawnLine | None:
    """The two lines of a row as one; None where they share too little, or not in the same order."""
    if row.old is None or row.new is None:
        return None
    if row.is_same:
        return DrawnLine("same", row.old.number, row.new.number, row.new.runs)
    kept = [run.text for run in row.old.runs if run.op == "same"]
    if kept != [run.text for run in row.new.runs if run.op == "same"]:
        return None
    longer = max(sum(len(run.text) for run in line.runs) for line in (row.old, row.new))
    if sum(map(len, kept)) < MERGED * longer:
        return None
    return DrawnLine("changed", row.old.number, row.new.number, tuple(_interleaved(row.old.runs, row.new.runs)))


def _interleaved(old: Sequence[Run], new: Sequence[Run]) -> Iterator[Run]:
    """Both lines' runs in reading order, what both share once."""
    place = 0
    for run in old:
        if run.op != "same":
            yield run
            continue
        while new[place].op != "same":
            yield new[place]
            place += 1
        yield run
        place += 1
    yield from new[place:]


def _with_first(rows: list[DrawnRow]) -> Iterator[DrawnRow]:
    """The same rows, the first of each change marked: where one goes from change to change."""
    quiet: DrawnRow = Fold(0, ())
    for before, row in pairwise([quiet, *rows]):
        is_changed = not isinstance(row, Fold) and row.op != "same"
        follows = not isinstance(before, Fold) and before.op != "same"
        if not is_changed or follows or isinstance(row, Fold):
            yield row
        elif isinstance(row, DrawnPair):
            yield DrawnPair(row.op, row.old, row.new, is_first=True)
        else:
            yield DrawnLine(row.op, row.old, row.new, row.runs, is_first=True)
