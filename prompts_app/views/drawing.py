"""A difference as pages draw it: summed up first, then text by text, setting by setting."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from prompts_app.contracts import ContractChange
from prompts_app.conversation_queries import Thread
from prompts_app.diff_rows import DrawnRow, DrawnText, Fold, drawn_text
from prompts_app.diffing import MessageDiff, VersionDiff
from prompts_app.line_view import Line
from prompts_app.structure_diff import FieldChange
from prompts_app.text_diff import Run, text_runs
from registry.core.canonical import JSON
from registry.core.invisible import pieces

GROUPS = {
    "messages": "Messages",
    "template_format": "Template format",
    "variables": "Variables",
    "config": "Model settings",
    "tools": "Tools",
    "response_format": "Answer format",
    "includes": "Includes",
}
CONTRACT_WORDS = {
    "added_required": "is new and required: callers that do not send it are refused",
    "added_optional": "is new and optional: callers need not send it",
    "made_required": "is required now: callers that leave it out are refused",
    "made_optional": "may be left out now",
    "retyped": "takes other values: some that were accepted are refused now",
    "widened": "accepts more than before",
    "removed": "is gone: what callers still send for it is ignored",
    "rules_changed": "rules over all variables changed",
    "schema_added": "answers follow a schema now",
    "schema_removed": "answers follow no schema any more",
    "no_longer_strict": "the model is no longer held to the schema",
    "not_understood": "changed in a way that cannot be judged",
    "narrowed": "promises more than before",
}
LONG_SETTING = 24  # characters of a text on both sides from which on its words are compared


class Place(NamedTuple):
    """One line of a difference: which text, which side (`old` or `new`), which line from 1."""

    path: str
    side: str
    line: int


@dataclass(frozen=True)
class Chunk:
    """Neighbouring rows, and what was said about the last of them; `takes_comment`: somebody is about to say more."""

    rows: tuple[DrawnRow, ...]
    threads: tuple[Thread, ...] = ()
    takes_comment: Place | None = None


@dataclass(frozen=True)
class Part:
    """One message (or the text) with what happened to it. `path` names it in comments, `key` in the page's addresses."""

    op: str
    title: str
    path: str
    key: str
    text: DrawnText
    chunks: tuple[Chunk, ...]
    is_blank_only: bool = False
    invisible: tuple[str, ...] = ()

    @property
    def is_side_by_side(self) -> bool:
        """True for two columns."""
        return any(not isinstance(row, Fold) and hasattr(row.old, "runs") for row in self.text.rows)


@dataclass(frozen=True)
class Setting:
    """One value outside the messages that changed, both sides as runs of text; None where it was or is absent."""

    path: str
    op: str
    old: tuple[Run, ...] | None
    new: tuple[Run, ...] | None


@dataclass(frozen=True)
class Said:
    """One change of the contract in words."""

    change: ContractChange

    @property
    def words(self) -> str:
        """What it means for whoever calls the prompt or reads its answers."""
        return CONTRACT_WORDS.get(self.change.change, self.change.change.replace("_", " "))


@dataclass(frozen=True)
class Drawn:
    """A whole difference, ready for a template; `is_side_by_side` where it was asked for in two columns."""

    parts: tuple[Part, ...]
    unchanged: int
    settings: tuple[tuple[str, tuple[Setting, ...]], ...]
    contract: tuple[Said, ...]
    is_breaking: bool
    is_side_by_side: bool = False

    @property
    def is_empty(self) -> bool:
        """True where both say the same."""
        return not (self.parts or self.settings or self.contract)

    @property
    def threads(self) -> frozenset[int]:
        """Ids of the remarks that are drawn at their lines."""
        chunks = [chunk for part in self.parts for chunk in part.chunks]
        return frozenset(thread.first.pk for chunk in chunks for thread in chunk.threads)

    @property
    def invisible(self) -> tuple[str, ...]:
        """Names of the invisible characters that any text gains, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.invisible))

    @property
    def counts(self) -> tuple[str, ...]:
        """How much differs, in words: `2 messages changed`, `3 settings changed`. No page counts otherwise."""
        ops = groupby(sorted(part.op for part in self.parts))
        found = [_counted(len(list(same)), op, is_text=self.parts[0].path == "text") for op, same in ops]
        setting_count = sum(len(settings) for _, settings in self.settings)
        if setting_count:
            found.append(f"{setting_count} setting{'' if setting_count == 1 else 's'} changed")
        return tuple(found)

    @property
    def has_places(self) -> bool:
        """Whether there is a place to go to: a changed line or a setting."""
        return bool(self.settings) or any(
            getattr(row, "is_first", False) for part in self.parts for row in part.text.rows
        )


@dataclass(frozen=True)
class Marks:
    """What is drawn between the lines: threads by their place, and the place that somebody comments on."""

    threads: Mapping[Place, Sequence[Thread]] = field(default_factory=dict)
    commenting: Place | None = None


def draw(diff: VersionDiff, *, side_by_side: bool = False, marks: Marks | None = None) -> Drawn:
    """What changed, message by message, in one column or two; messages that did not change are only counted.

    One that came or went as a whole has nothing beside it: it is in one column always.
    """
    changed = [message for message in diff.messages if message.op != "same"]
    settings = [_setting(change) for change in diff.fields]
    return Drawn(
        parts=tuple(_part(message, side_by_side, marks or Marks()) for message in changed),
        unchanged=len(diff.messages) - len(changed),
        settings=tuple(
            (GROUPS.get(name, name), tuple(group))
            for name, group in groupby(settings, key=lambda one: one.path.split(".")[0].split("[")[0])
        ),
        contract=tuple(Said(change) for change in sorted(diff.contract, key=lambda one: one.level != "breaking")),
        is_breaking=diff.breaking,
        is_side_by_side=side_by_side,
    )


def _counted(count: int, op: str, *, is_text: bool) -> str:
    return f"text {op}" if is_text else f"{count} message{'' if count == 1 else 's'} {op}"


def _part(message: MessageDiff, side_by_side: bool, marks: Marks) -> Part:
    title = message.role or "text"
    if message.op == "moved" and message.old is not None and message.new is not None:
        title = f"{title}, moved from place {message.old + 1} to {message.new + 1}"
    path = message.path
    text = drawn_text(message.words, side_by_side=side_by_side and message.op not in ("added", "removed"))
    changes = [run.text for run in message.words if run.op != "same"]
    gained = [name for run in message.words if run.op == "insert" for _, name in pieces(run.text) if name]
    return Part(
        op=message.op,
        title=title,
        path=path,
        key=path.replace("[", "-").replace("]", ""),
        text=text,
        chunks=tuple(_chunks(text.rows, path, marks)),
        is_blank_only=bool(changes) and all(change.isspace() for change in changes),
        invisible=tuple(dict.fromkeys(gained)),
    )


def _chunks(rows: Sequence[DrawnRow], path: str, marks: Marks) -> Iterator[Chunk]:
    """All rows in order, cut after each that something is said about."""
    if not marks.threads and marks.commenting is None:
        yield Chunk(tuple(rows))
        return
    waiting: list[DrawnRow] = []
    for row in rows:
        waiting.append(row)
        places = list(_places(row, path))
        threads = tuple(thread for place in places for thread in marks.threads.get(place, ()))
        commenting = marks.commenting if marks.commenting in places else None
        if threads or commenting:
            yield Chunk(tuple(waiting), threads, commenting)
            waiting = []
    if waiting:
        yield Chunk(tuple(waiting))


def _places(row: DrawnRow, path: str) -> Iterator[Place]:
    if isinstance(row, Fold):
        for inner in row.rows:
            yield from _places(inner, path)
        return
    for side, line in (("old", row.old), ("new", row.new)):
        number = line.number if isinstance(line, Line) else line
        if number is not None:
            yield Place(path, side, number)


def _setting(change: FieldChange) -> Setting:
    old, new = _text(change.old), _text(change.new)
    if (
        isinstance(change.old, str)
        and isinstance(change.new, str)
        and min(len(change.old), len(change.new)) > LONG_SETTING
    ):
        runs = text_runs(change.old, change.new)
        return Setting(
            change.path,
            change.op,
            tuple(run for run in runs if run.op != "insert"),
            tuple(run for run in runs if run.op != "delete"),
        )
    return Setting(
        change.path,
        change.op,
        None if change.op == "added" else (Run("delete", old),),
        None if change.op == "removed" else (Run("insert", new),),
    )


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
