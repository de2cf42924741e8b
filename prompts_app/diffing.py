"""Two versions compared: messages with their words, the structured fields, and the contract with callers and readers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prompts_app.alignment import best_pairs, blocks
from prompts_app.content import Message, Placeholder, TemplateSource, VersionContent, part_text
from prompts_app.contracts import ContractChange, contract_changes, is_breaking
from prompts_app.structure_diff import FieldChange, structure_changes
from prompts_app.text_diff import WORDS, Run, text_runs
from registry.core.canonical import JSON

type MessageOp = Literal["same", "changed", "moved", "added", "removed"]

STRUCTURED = ("template_format", "variables", "config", "tools", "response_format", "includes")
ALIKE_ACROSS_ROLES, ROLE_COST = 0.6, 0.3
ALIKE = 0.15  # share of words that two messages of a role have in common for one to be the other, changed
SKETCH = 20_000  # characters of a message looked at for that
MAX_GAP = 2_500  # pairs tried in one gap; beyond that messages pair in order


@dataclass(frozen=True, slots=True)
class MessageDiff:
    """One message; `role` is None for a text prompt and "placeholder" for a placeholder, whose text is its name.

    The runs are of the message's text; parts that are no text stand in it as JSON, each on a line of its own. `old` and
    `new` are its positions, None where that side has none.
    """

    op: MessageOp
    role: str | None
    words: tuple[Run, ...]
    old: int | None
    new: int | None

    def to_json(self) -> dict[str, JSON]:
        return {"op": self.op, "role": self.role, "words": [[run.op, run.text] for run in self.words]}

    @property
    def path(self) -> str:
        """How comments name it: `text`, `messages[2]` by its new place, or `removed[2]` by the place it had."""
        if self.role is None:
            return "text"
        return f"removed[{self.old}]" if self.new is None else f"messages[{self.new}]"

    def line(self, side: str, number: int) -> str | None:
        """One line, from 1, of its text on a side (`old` or `new`); None where there is none."""
        other = "insert" if side == "old" else "delete"
        lines = "".join(run.text for run in self.words if run.op != other).split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else None


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Everything that differs; messages in the new order, a removed one where it was."""

    messages: tuple[MessageDiff, ...]
    fields: tuple[FieldChange, ...]
    contract: tuple[ContractChange, ...]

    @property
    def breaking(self) -> bool:
        return is_breaking(self.contract)

    @property
    def is_empty(self) -> bool:
        return not self.fields and all(message.op == "same" for message in self.messages)

    def to_json(self) -> dict[str, JSON]:
        return {
            "messages": [message.to_json() for message in self.messages],
            "fields": [field.to_json() for field in self.fields],
            "contract": [change.to_json() for change in self.contract],
            "breaking": self.breaking,
        }


def compare(old: VersionContent | None, new: VersionContent) -> VersionDiff:
    """The difference from `old` to `new`; with None everything is added, and no contract existed that could break.

    Bounded: two texts of 1 MB take under 2 s (see `text_runs`), 1,000 messages likewise.
    """
    was: dict[str, JSON] = old.to_json() if old else {}
    now = new.to_json()
    before, after = _turns(old.source if old else None), _turns(new.source)
    messages = [_message(before, after, pair) for pair in _with_moves(before, after, _pairs(before, after))]
    shapes = [change for message in messages for change in _shape_changes(before, after, message)]
    fields = [change for name in STRUCTURED for change in _field_changes(was.get(name), now[name], name)]
    contract: tuple[ContractChange, ...] = ()
    if old:
        contract = contract_changes(old.variables, new.variables, old.response_format, new.response_format)
    return VersionDiff(tuple(messages), (*shapes, *fields), contract)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A message as it is compared: its text, and the shape of its content without that text."""

    role: str | None
    text: str
    shape: JSON

    @property
    def key(self) -> tuple[str | None, str, str]:
        return self.role, self.text, json.dumps(self.shape, sort_keys=True)

    @property
    def words(self) -> frozenset[str]:
        return frozenset(word for word in WORDS.findall(self.text[:SKETCH]) if not word.isspace())


def _turns(source: TemplateSource | None) -> list[_Turn]:
    if source is None:
        return []
    if source.messages is None:
        return [_Turn(None, source.text or "", "text")]
    return [_turn(message) for message in source.messages]


def _turn(message: Message | Placeholder) -> _Turn:
    if isinstance(message, Placeholder):
        return _Turn("placeholder", message.name, "placeholder")
    if isinstance(message.content, str):
        return _Turn(message.role, message.content, "text")
    texts = [part_text(part) for part in message.content]
    shown = [
        json.dumps(part, ensure_ascii=False) if text is None else text
        for text, part in zip(texts, message.content, strict=True)
    ]
    shape = [part if text is None else _without_text(part) for text, part in zip(texts, message.content, strict=True)]
    return _Turn(message.role, "\n".join(shown), shape)


def _without_text(part: JSON) -> JSON:
    return {name: value for name, value in part.items() if name != "text"} if isinstance(part, dict) else "text"


def _message(before: Sequence[_Turn], after: Sequence[_Turn], pair: _Pair) -> MessageDiff:
    old, new = (None if pair.old is None else before[pair.old]), (None if pair.new is None else after[pair.new])
    words = text_runs(old.text if old else "", new.text if new else "")
    shown = new or old
    if old and new:
        op: MessageOp = "moved" if pair.is_moved else "same" if old.key == new.key else "changed"
    else:
        op = "added" if new else "removed"
    return MessageDiff(op, shown.role if shown else None, words, pair.old, pair.new)


def _shape_changes(before: Sequence[_Turn], after: Sequence[_Turn], message: MessageDiff) -> Iterator[FieldChange]:
    """What differs between two messages that belong together and is not their text: the role, parts of the content."""
    if message.op != "changed" or message.old is None or message.new is None:
        return
    old, new, path = before[message.old], after[message.new], f"messages[{message.new}]"
    if old.role != new.role:
        yield FieldChange(f"{path}.role", "changed", old.role, new.role)
    yield from structure_changes(old.shape, new.shape, f"{path}.content")


def _field_changes(old: JSON, new: JSON, name: str) -> tuple[FieldChange, ...]:
    if old is None or new is None:
        given = [value for value in (old, new) if value not in (None, {}, [])]
        return (FieldChange(name, "added" if old is None else "removed", old, new),) if given else ()
    return structure_changes(old, new, name)


class _Pair(NamedTuple):
    """Positions of two messages that belong together; None where there is no partner."""

    old: int | None
    new: int | None
    is_moved: bool = False


def _pairs(before: Sequence[_Turn], after: Sequence[_Turn]) -> Iterator[_Pair]:
    """All messages in order: equal ones matched first, then between them those that are most alike."""
    numbers: dict[object, int] = {}
    keys = [[numbers.setdefault(turn.key, len(numbers)) for turn in turns] for turns in (before, after)]
    for i, i_end, j, j_end, is_same in blocks(*keys):
        if is_same:
            yield from (_Pair(i + offset, j + offset) for offset in range(i_end - i))
            continue
        for old, new in _gap(before[i:i_end], after[j:j_end]):
            yield _Pair(None if old is None else i + old, None if new is None else j + new)


def _with_moves(before: Sequence[_Turn], after: Sequence[_Turn], pairs: Iterator[_Pair]) -> list[_Pair]:
    """A message removed here and added there unchanged was moved: one entry, where it is now."""
    found = list(pairs)
    gone: dict[object, list[int]] = {}
    for pair in found:
        if pair.new is None and pair.old is not None:
            gone.setdefault(before[pair.old].key, []).append(pair.old)
    moved: set[int] = set()
    for place, pair in enumerate(found):
        if pair.old is None and pair.new is not None and (origins := gone.get(after[pair.new].key)):
            found[place] = _Pair(origins.pop(0), pair.new, is_moved=True)
            moved.add(found[place].old or 0)
    return [pair for pair in found if pair.new is not None or pair.old not in moved]


def _gap(before: Sequence[_Turn], after: Sequence[_Turn]) -> list[tuple[int | None, int | None]]:
    """The pairing, in order on both sides, whose messages are most alike in sum; one against one of a role always pairs."""
    if len(before) == len(after) == 1 and before[0].role == after[0].role:
        return [(0, 0)]
    if len(before) * len(after) <= MAX_GAP:
        best = _best_pairing(before, after)
    else:
        best = [(n, n) for n, (old, new) in enumerate(zip(before, after, strict=False)) if old.role == new.role]
    pairing: list[tuple[int | None, int | None]] = []
    i = j = 0
    for old, new in [*best, (len(before), len(after))]:
        pairing += [(lost, None) for lost in range(i, old)]
        pairing += [(None, added) for added in range(j, new)]
        pairing.append((old, new))
        i, j = old + 1, new + 1
    return pairing[:-1]


def _best_pairing(before: Sequence[_Turn], after: Sequence[_Turn]) -> list[tuple[int, int]]:
    """The pairs most alike; scores below a threshold do not pair."""
    old_words, new_words = [turn.words for turn in before], [turn.words for turn in after]
    score = [
        [_alike(old, new, a, b) for new, b in zip(after, new_words, strict=True)]
        for old, a in zip(before, old_words, strict=True)
    ]
    return best_pairs(score)


def _alike(old: _Turn, new: _Turn, old_words: frozenset[str], new_words: frozenset[str]) -> float:
    """From 0 (not the same message) to 1, by the words both have; across roles only what is nearly equal counts."""
    total = len(old_words) + len(new_words)
    share = 2 * len(old_words & new_words) / total if total else 1.0
    if old.role == new.role:
        return share if share >= ALIKE else 0.0
    return share - ROLE_COST if share >= ALIKE_ACROSS_ROLES else 0.0
