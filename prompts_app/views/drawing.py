"""A difference as pages draw it: long unchanged stretches folded away, so that what changed is what one sees."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prompts_app.contracts import ContractChange
from prompts_app.diffing import MessageDiff, VersionDiff
from prompts_app.line_view import LineView, line_view
from prompts_app.structure_diff import FieldChange
from registry.core.canonical import JSON

CONTEXT = 3
FOLD_FROM = 9


@dataclass(frozen=True)
class Piece:
    """A stretch of text; `op` is same, insert or delete. `folded` counts the lines that are hidden until asked for."""

    op: str
    text: str
    folded: int = 0


@dataclass(frozen=True)
class Part:
    """One message (or the text), with what happened to it."""

    op: str
    title: str
    pieces: tuple[Piece, ...] = ()
    columns: LineView | None = None


@dataclass(frozen=True)
class Setting:
    """One value outside the messages that changed, both sides as text; None where it was or is absent."""

    path: str
    op: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Drawn:
    """A whole difference, ready for a template."""

    parts: tuple[Part, ...]
    unchanged: int
    settings: tuple[Setting, ...]
    contract: tuple[ContractChange, ...]
    is_breaking: bool

    @property
    def is_empty(self) -> bool:
        """True where both say the same."""
        return not (self.parts or self.settings or self.contract)


def draw(diff: VersionDiff, *, side_by_side: bool = False) -> Drawn:
    """What changed, message by message, in one column or two; messages that did not change are only counted."""
    changed = [message for message in diff.messages if message.op != "same"]
    return Drawn(
        parts=tuple(_part(message, side_by_side) for message in changed),
        unchanged=len(diff.messages) - len(changed),
        settings=tuple(_setting(change) for change in diff.fields),
        contract=tuple(diff.contract),
        is_breaking=diff.breaking,
    )


def fold(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The same text in order, with the middle of long unchanged stretches folded; a few lines around changes stay."""
    last = len(pieces) - 1
    for index, piece in enumerate(pieces):
        lines = piece.text.split("\n")
        before = 0 if index == 0 else CONTEXT
        after = 0 if index == last else CONTEXT
        if piece.op != "same" or len(lines) < FOLD_FROM or (index == 0 and index == last):
            yield piece
            continue
        middle = lines[before : len(lines) - after]
        if before:
            yield Piece("same", "\n".join(lines[:before]))
        yield Piece("same", "\n".join(middle), folded=len(middle))
        if after:
            yield Piece("same", "\n".join(lines[len(lines) - after :]))


def _part(message: MessageDiff, side_by_side: bool) -> Part:
    title = message.role or "text"
    if message.op == "moved" and message.old is not None and message.new is not None:
        title = f"{title}, moved from place {message.old + 1} to {message.new + 1}"
    if side_by_side:
        return Part(message.op, title, columns=line_view(message.words))
    pieces = [Piece(run.op, run.text) for run in message.words]
    return Part(message.op, title, tuple(fold(pieces)))


def _setting(change: FieldChange) -> Setting:
    return Setting(change.path, change.op, _text(change.old), _text(change.new))


def _text(value: JSON) -> str | None:
    return (
        None if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    )
