"""The runs of a text diff as numbered lines in hunks, for one column or two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prompts_app.text_diff import LINES, Op, Run


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one side: its number from 1, and its runs. A line end that both sides share is left out."""

    number: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines side by side, None where that side has none. Rows that are the same have equal runs, or no runs."""

    old: Line | None
    new: Line | None
    is_same: bool


@dataclass(frozen=True, slots=True)
class Hunk:
    """Neighbouring rows that are shown together; `skipped` same rows before them are not."""

    skipped: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class LineView:
    """What changed, as hunks in order; `is_cut` when there is more than the limit allowed."""

    hunks: tuple[Hunk, ...]
    is_cut: bool = False


def line_view(runs: Sequence[Run], *, context: int = 3, limit: int = 5_000) -> LineView:
    """Changed lines with `context` same lines around them, at most `limit` changed rows; no hunk when nothing changed."""
    hunks = _Hunks(context)
    for item in _rows(runs, context, limit):
        if isinstance(item, Row) and not item.is_same:
            if hunks.changed == limit:
                return LineView(hunks.finish(), is_cut=True)
            hunks.add_change(item)
        else:
            hunks.waiting.append(item)
    return LineView(hunks.finish())


class _Hunks:
    """Gathers rows into hunks; same rows (and counts of those left out) wait until it is known where they belong."""

    def __init__(self, context: int) -> None:
        self.context, self.changed = context, 0
        self.done: list[Hunk] = []
        self.rows: list[Row] = []
        self.skipped = 0
        self.waiting: list[Row | int] = []

    def add_change(self, row: Row) -> None:
        same = [item for item in self.waiting if isinstance(item, Row)]
        left_out = sum(item for item in self.waiting if isinstance(item, int))
        reach = 2 * self.context if self.rows else self.context
        if left_out or len(same) > reach:
            head = self._close(same)
            tail = same[max(head, len(same) - self.context) :]
            self.skipped = left_out + len(same) - head - len(tail)
            self.rows = tail
        else:
            self.rows += same
        self.rows.append(row)
        self.waiting = []
        self.changed += 1

    def finish(self) -> tuple[Hunk, ...]:
        self._close([item for item in self.waiting if isinstance(item, Row)])
        return tuple(self.done)

    def _close(self, same: list[Row]) -> int:
        """Ends the hunk that is open with the rows just after it; how many they were."""
        if not self.rows:
            return 0
        after = same[: self.context]
        self.done.append(Hunk(self.skipped, (*self.rows, *after)))
        self.rows = []
        return len(after)


def _rows(runs: Sequence[Run], context: int, limit: int) -> Iterator[Row | int]:
    """All rows; of many same ones in a row only some at both ends, and between them the number left out.

    Ends early after a change of more than `limit` rows.
    """
    group = _Group(1, 1)
    for op, text in runs:
        for piece in _shortened(op, text, context):
            if isinstance(piece, int):
                yield piece
                group = _Group(group.old_number + piece, group.new_number + piece)
                continue
            group.take(op, piece)
            if op == "same" and piece.endswith("\n"):
                yield from group.rows()
                group = _Group(group.old_number + len(group.old), group.new_number + len(group.new))
            if len(group.old) + len(group.new) > 2 * limit + 2:
                yield from group.rows()
                return
    yield from group.rows(is_last=True)


def _shortened(op: Op, text: str, context: int) -> list[str | int]:
    """The lines of a run; of a long same run the middle only as a number. The first line may end an open row."""
    pieces: list[str | int] = [*LINES.findall(text)]
    start, end = context + 1, len(pieces) - context - 1
    return [*pieces[:start], end - start, *pieces[end:]] if op == "same" and start < end else pieces


class _Group:
    """Lines between two line ends that both sides share."""

    def __init__(self, old_number: int, new_number: int) -> None:
        self.old_number, self.new_number = old_number, new_number
        self.old: list[list[Run]] = [[]]
        self.new: list[list[Run]] = [[]]
        self.shared: dict[int, int] = {}

    def take(self, op: Op, piece: str) -> None:
        """A piece of at most one line."""
        run = Run(op, piece.removesuffix("\n") if op == "same" else piece)
        if op == "same" and run.text.strip():
            self.shared.setdefault(len(self.old) - 1, len(self.new) - 1)
        for lines, other in ((self.old, "insert"), (self.new, "delete")):
            if op == other:
                continue
            if run.text:
                lines[-1].append(run)
            if op != "same" and piece.endswith("\n"):
                lines.append([])

    def rows(self, *, is_last: bool = False) -> Iterator[Row]:
        """Lines stand side by side where they share text, else in order.

        Of the last group, whose lines have no end in common, an empty line is none.
        """
        old = [Line(self.old_number + index, tuple(runs)) for index, runs in enumerate(self.old)]
        new = [Line(self.new_number + index, tuple(runs)) for index, runs in enumerate(self.new)]
        if is_last:
            old, new = (lines if lines[-1].runs else lines[:-1] for lines in (old, new))
        i = j = 0
        partners = set(self.shared.values())
        while i < len(old) or j < len(new):
            partner = self.shared.get(i) if i < len(old) else len(new)
            if j < len(new) and partner is not None and j < partner:
                yield Row(None, new[j], False)
                j += 1
            elif j < len(new) and (partner == j or j not in partners):
                yield Row(old[i], new[j], old[i].runs == new[j].runs)
                i, j = i + 1, j + 1
            else:
                yield Row(old[i], None, False)
                i += 1
