"""What a scorer is, what it is told, and what it answers."""

from __future__ import annotations

import abc
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from evals_app.scorers.options import Option
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError

LONGEST_DETAIL = 300
MOST_OF_PLACES = 1_000_000  # characters of the places of all templates in one value

type _Place = tuple[_Place, str | int] | None  # of what is around a value, and its key or position there
type Family = Literal["text", "structure", "safety", "cost and speed", "model graded"]
type Target = Literal["value or expected", "value", "optional value", "nothing"]


class UnscorableError(Exception):
    """The output (or what it should be compared with) permits no score; the text says why.

    It counts as 0 and not passed, negated or not: what cannot be scored never passes.
    """


@dataclass(frozen=True, slots=True)
class Output:
    """One answer as scorers see it. Tool calls are as chat completions give them; `cost` is in US dollars.

    What the provider did not tell, or has no known price, is None.
    """

    text: str
    tool_calls: tuple[JSON, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    latency_ms: int | None = None
    finish_reason: str = ""
    perplexity: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What an output answers: the case's values, and the messages and tools of the request as they were sent."""

    variables: Mapping[str, JSON] = field(default_factory=dict)
    expected: JSON = None
    messages: tuple[Mapping[str, JSON], ...] = ()
    tools: tuple[JSON, ...] = ()


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
    """One scorer as a suite asks for it. `has_value` tells a value of null from none; weight 0: reported, not counted.

    `options` are the members that its kind declares, as far as they were given. `group` is the group that it counts in.
    """

    kind: str
    name: str
    weight: float = 1.0
    threshold: float | None = None
    negate: bool = False
    has_value: bool = False
    value: JSON = None
    options: Mapping[str, JSON] = field(default_factory=dict)
    group: str | None = None

    @property
    def counts(self) -> bool:
        return self.weight > 0

    @property
    def template(self) -> str | None:
        """The value as a template over the case's variables and `expected`; None when there is nothing to render."""
        return self.value if isinstance(self.value, str) and _is_template(self.value) else None

    @property
    def templates(self) -> Mapping[str, str]:
        """The strings anywhere in the value that are templates, by the key under which each is given back rendered."""
        return {self.key(path): text for path, text in _templates(self.value)}

    def key(self, path: str) -> str:
        """Names a rendered text by its place in the value; no name of a scorer has a NUL."""
        return f"{self.name}\x00{path}" if path else self.name

    def place(self, key: str) -> str:
        """The path in the value that such a key stands for."""
        return key.removeprefix(self.name).removeprefix("\x00")

    def filled(self, rendered: Mapping[str, str]) -> JSON:
        """The value with its templates rendered."""
        if isinstance(self.value, str):
            return rendered.get(self.name, self.value)
        begin = self.key(" ").rstrip()
        return (
            _filled(self.value, None, self, rendered) if any(key.startswith(begin) for key in rendered) else self.value
        )

    def to_json(self) -> dict[str, JSON]:
        """As the API takes it, without what is left at its default."""
        given: dict[str, JSON] = {"kind": self.kind, "name": self.name}
        given |= {} if self.weight == 1 else {"weight": self.weight}
        given |= {} if self.threshold is None else {"threshold": self.threshold}
        given |= {"negate": True} if self.negate else {}
        given |= {} if self.group is None else {"group": self.group}
        given |= self.options
        return given | ({"value": self.value} if self.has_value else {})


def has_room_for_templates(value: JSON) -> bool:
    """Whether the places of a value's templates, by which they are given back rendered, are not too long together."""
    size = 0
    for path, _ in _templates(value):
        size += len(path)
        if size > MOST_OF_PLACES:
            return False
    return True


def _templates(value: JSON) -> Iterator[tuple[str, str]]:
    """Each string that is a template with its path, in reading order."""
    todo: list[tuple[JSON, _Place]] = [(value, None)]
    while todo:
        one, place = todo.pop()
        if isinstance(one, str):
            if _is_template(one):
                yield _path(place), one
        elif isinstance(one, list | dict):
            todo.extend([(entry, (place, step)) for step, entry in _entries(one)][::-1])


def _filled(value: JSON, place: _Place, spec: ScorerSpec, rendered: Mapping[str, str]) -> JSON:
    if isinstance(value, str):
        return rendered.get(spec.key(_path(place)), value) if _is_template(value) else value
    if isinstance(value, list):
        return [_filled(entry, (place, step), spec, rendered) for step, entry in _entries(value)]
    if isinstance(value, dict):
        return {str(step): _filled(entry, (place, step), spec, rendered) for step, entry in _entries(value)}
    return value


def _entries(value: list[JSON] | dict[str, JSON]) -> Iterable[tuple[str | int, JSON]]:
    return enumerate(value) if isinstance(value, list) else value.items()


def _path(place: _Place) -> str:
    """The steps that lead to a place, no two alike; made for templates only: a long key may have many values below it."""
    steps = []
    while place is not None:
        place, step = place
        steps.append(step)
    return "".join(_step(step) for step in reversed(steps))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]"


def _is_template(text: str) -> bool:
    return any(mark in text for mark in ("{{", "{%", "{#"))


@dataclass(frozen=True, slots=True)
class Example:
    """A spec, an output that passes and one that does not, and what they answer: documented, and run as a test."""

    spec: Mapping[str, JSON]
    passes: Output
    fails: Output
    asked: Asked = Asked()


class Scorer(abc.ABC):
    """Compares an output with a target; a subclass in a module of `kinds` is registered by being there.

    `version` changes only when results do. `range` is of the value: the upper end may be infinite, then the value is raw
    (dollars, milliseconds), there is no threshold, and the kind itself says what passes. Elsewhere a value passes that
    reaches the threshold: `default_threshold` unless the spec has its own, the best of the range where both are None.
    `target` says what is compared with: the spec's value or else the case's expected answer, only a value, a value that
    may be left out, or nothing. `is_graded` is true where a model is asked; `is_run` false where nothing is.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    family: ClassVar[Family]
    about: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_binary: ClassVar[bool] = True
    is_graded: ClassVar[bool] = False
    is_run: ClassVar[bool] = True
    target: ClassVar[Target] = "value or expected"
    default_threshold: ClassVar[float | None] = None
    options: ClassVar[tuple[Option[Any], ...]] = ()
    example: ClassVar[Example]

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        """What is wrong with a spec of this kind that its fields alone do not show; `field` is the key's name."""
        return None

    def patterns(self, spec: ScorerSpec) -> Iterable[tuple[str, str]]:
        """The regular expressions in a spec's value, each with its place in it."""
        return ()

    @property
    def is_raw(self) -> bool:
        """True where values are amounts of a unit rather than a share."""
        return math.isinf(self.range[1])

    @abc.abstractmethod
    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
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


def refuse_longer(text: str, most: int, to: str) -> None:
    """Raises UnscorableError for an output that is too long for something, such as `be read as XML`."""
    if len(text) > most:
        raise UnscorableError(f"The output is too long to {to}: more than {most:,} characters.")
