"""What a scorer is, what it is told, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError

LONGEST_DETAIL = 300


class UnscorableError(Exception):
    """The output (or what it should be compared with) permits no score; the text says why.

    It counts as 0 and not passed, negated or not: what cannot be scored never passes.
    """


@dataclass(frozen=True, slots=True)
class Score:
    """One answer of a scorer, or of all it went through (negation, threshold); `detail` says in one line what was compared or missing."""

    value: float
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tools:
    """What runs away from this process because users write it: patterns, and schemas that hold patterns.

    `match(pattern, text)` searches; `schema_mistakes(schema, value)` lists where a value does not fit. Both may raise
    registry.core.errors.Invalid for a pattern or schema that is wrong or takes too long.
    """

    match: Callable[[str, str], bool]
    schema_mistakes: Callable[[Mapping[str, JSON], JSON], Sequence[FieldError]]


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """One scorer as a suite asks for it. `has_value` tells a value of null from none; weight 0: reported, not counted."""

    kind: str
    name: str
    weight: float = 1.0
    threshold: float | None = None
    negate: bool = False
    has_value: bool = False
    value: JSON = None
    path: str | None = None

    @property
    def counts(self) -> bool:
        return self.weight > 0

    @property
    def template(self) -> str | None:
        """The value as a template over the case's variables and `expected`; None when there is nothing to render."""
        is_template = isinstance(self.value, str) and any(mark in self.value for mark in ("{{", "{%", "{#"))
        return str(self.value) if is_template else None

    def to_json(self) -> dict[str, JSON]:
        """As the API takes it, without what is left at its default."""
        given: dict[str, JSON] = {"kind": self.kind, "name": self.name}
        given |= {} if self.weight == 1 else {"weight": self.weight}
        given |= {} if self.threshold is None else {"threshold": self.threshold}
        given |= {"negate": True} if self.negate else {}
        given |= {} if self.path is None else {"path": self.path}
        return given | ({"value": self.value} if self.has_value else {})


class Scorer(Protocol):
    """Compares an output with a target. `version` changes only when results do; `range` is of the value."""

    kind: ClassVar[str]
    version: ClassVar[int]
    higher_is_better: ClassVar[bool]
    range: ClassVar[tuple[float, float]]
    is_binary: ClassVar[bool]
    takes_path: ClassVar[bool]

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        """What is wrong with a spec of this kind that its fields alone do not show; `field` is the key's name."""

    def score(self, output: str, target: JSON, spec: ScorerSpec, tools: Tools) -> Score:
        """The value within `range`, before negation and threshold; raises UnscorableError."""


def as_json(output: str) -> JSON:
    """The output read as JSON; raises UnscorableError when it is none."""
    try:
        return parse_json(output.strip())
    except InvalidJson as error:
        raise UnscorableError(f"The output is not JSON: {error.message} It begins: {excerpt(output)}") from None


def same_json(one: JSON, other: JSON) -> bool:
    """Equal as JSON: numbers by value (1 is 1.0), true is no number, keys in any order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same_json(a, b) for a, b in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def as_text(value: JSON) -> str:
    """A string itself, anything else as JSON text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def excerpt(value: JSON, most: int = 80) -> str:
    """The beginning of a value on one line, in quotes."""
    text = " ".join(as_text(value).split())
    return f"“{text[:most]}…”" if len(text) > most else f"“{text}”"
