"""A case as one row of a table: every field as the text that is typed for it, and back. Pure.

A value is typed as itself. What reads as JSON is JSON (`5`, `true`, `{"city": "Bern"}`), anything else is text; a text
that would be mistaken for JSON stands in quotes (`"5"`). An empty cell is no value, `""` the empty text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from registry.core.canonical import JSON, InvalidJson, parse_json

MOST_COLUMNS = 6
# Where a draft keeps a cell that is no JSON although it must be.
BROKEN = "more"
COLUMNS = ("key", "variables", "expected", "tags", "critical", "cluster")


@dataclass(frozen=True, slots=True)
class Cells:
    """What stands in the fields of one row; `variables` in the order of the table's columns, `more` is a JSON object."""

    key: str = ""
    variables: tuple[str, ...] = ()
    expected: str = ""
    tags: str = ""
    critical: bool = False
    cluster: str = ""
    more: str = ""

    @property
    def stamp(self) -> str:
        """Tells whether a row that comes back was touched."""
        parts = [self.key, *self.variables, self.expected, self.tags, str(self.critical), self.cluster, self.more]
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class TypedRow:
    """A row as a browser sent it: its number, the stamp of what was shown, and what stands there now."""

    row: int
    seen: str
    cells: Cells

    @property
    def is_touched(self) -> bool:
        """False where nothing was typed, so that another window's changes stay."""
        return self.seen != self.cells.stamp


@dataclass(frozen=True, slots=True)
class TypedPage:
    """One page of the editor as it was posted."""

    names: tuple[str, ...] = ()
    rows: tuple[TypedRow, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    based_on: int = 0

    @property
    def touched(self) -> tuple[TypedRow, ...]:
        """The rows in which something was typed."""
        return tuple(row for row in self.rows if row.is_touched)


def value_of(text: str) -> JSON:
    """What a cell stands for; never fails: what is no JSON is text."""
    if not text or text[0] not in '"[{-0123456789tfn':
        return text
    try:
        value = parse_json(text)
    except InvalidJson:
        return text
    if isinstance(value, dict | list | str):
        return value
    return value if json.dumps(value) == text else text


def cell_of(value: JSON) -> str:
    """The text that `value_of` reads as this value."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    is_plain = value != "" and "\r" not in value and value_of(value) == value
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def tags_cell(tags: Sequence[str]) -> str:
    """Tags with commas between; as a JSON list where one of them would be read otherwise."""
    text = ", ".join(tags)
    return text if tags_of(text) == list(tags) else json.dumps(list(tags), ensure_ascii=False)


def tags_of(text: str) -> list[JSON]:
    """The tags of a cell, without blanks around them."""
    if text.lstrip().startswith("["):
        try:
            value = parse_json(text)
        except InvalidJson:
            value = None
        if isinstance(value, list):
            return value
    return [tag for part in text.split(",") if (tag := part.strip())]


def columns_of(cases: Iterable[Mapping[str, JSON]], more: Iterable[str] = ()) -> tuple[str, ...]:
    """The variables that get a column: those of `more`, then those of the cases, up to six."""
    names = dict.fromkeys(more)
    for case in cases:
        variables = case.get("variables")
        names |= dict.fromkeys(variables) if isinstance(variables, dict) else {}
    return tuple(names)[:MOST_COLUMNS]


def cells_of(case: Mapping[str, JSON], names: Sequence[str]) -> Cells:
    """A case as it is typed; whatever no column takes stands in `more`, as a JSON object."""
    rest = dict(case)
    variables = rest.pop("variables", {})
    own = dict(variables) if isinstance(variables, dict) else {}
    columns = tuple(cell_of(own.pop(name)) if name in own else "" for name in names)
    if own or not isinstance(variables, dict):
        rest["variables"] = own if isinstance(variables, dict) else variables
    broken = rest.pop(BROKEN, None)
    expected = rest.pop("expected", None)
    return Cells(
        key=_taken(rest, "key"),
        variables=columns,
        expected="" if expected is None else cell_of(expected),
        tags=_taken_tags(rest),
        critical=rest.pop("critical") is True if isinstance(rest.get("critical"), bool) else False,
        cluster=_taken(rest, "cluster"),
        more=broken if isinstance(broken, str) else _as_object(rest),
    )


def case_of(cells: Cells, names: Sequence[str]) -> dict[str, JSON]:
    """The case that a row stands for, as the API takes it; a `more` that is no JSON object stays as the text it is."""
    more = _object_of(cells.more)
    extra = more if more is not None else {BROKEN: cells.more}
    others = extra.get("variables", {})
    variables = {name: value_of(text) for name, text in zip(names, cells.variables, strict=True) if text}
    case: dict[str, JSON] = {"key": cells.key} if cells.key else {}
    case["variables"] = variables | others if isinstance(others, dict) else others
    case |= {"expected": value_of(cells.expected)} if cells.expected else {}
    case |= {"tags": tags_of(cells.tags)} if cells.tags.strip() else {}
    case |= {"critical": True} if cells.critical else {}
    case |= {"cluster": cells.cluster} if cells.cluster else {}
    return case | {name: value for name, value in extra.items() if name != "variables"}


def _taken(rest: dict[str, JSON], name: str) -> str:
    """The field where one line of text can stand for it, taken out of `rest`."""
    value = rest.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        return ""
    del rest[name]
    return value


def _taken_tags(rest: dict[str, JSON]) -> str:
    tags = rest.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.isprintable() for tag in tags):
        return ""
    del rest["tags"]
    return tags_cell(cast("list[str]", tags)) if tags else ""


def _as_object(rest: Mapping[str, JSON]) -> str:
    return json.dumps(dict(rest), ensure_ascii=False, indent=1) if rest else ""


def _object_of(text: str) -> dict[str, JSON] | None:
    if not text.strip():
        return {}
    try:
        value = parse_json(text)
    except InvalidJson:
        return None
    return value if isinstance(value, dict) else None
