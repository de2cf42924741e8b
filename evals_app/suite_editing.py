"""A suite as it is typed: cases as JSON lines, each mistake told by the line it stands in. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid

CASE = re.compile(r"cases\[(\d+)\]\.?(.*)", re.DOTALL)
OTHER = re.compile(r"(scorers|config)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """A line that is not blank; `case` is None where it is no JSON."""

    line: int
    case: JSON
    mistakes: tuple[str, ...] = ()

    @property
    def fields(self) -> Mapping[str, JSON]:
        """The case's fields; none where it is no object."""
        return self.case if isinstance(self.case, dict) else {}


def read_lines(text: str) -> tuple[Row, ...]:
    """One row for each line that is not blank."""
    lines = text.replace("\r\n", "\n").split("\n")
    return tuple(_read(number, line) for number, line in enumerate(lines, 1) if line.strip())


def cases_of(rows: Iterable[Row]) -> list[JSON]:
    """The cases of the rows that are JSON, in order."""
    return [row.case for row in rows if not row.mistakes]


def with_mistakes(rows: Sequence[Row], refused: Invalid) -> tuple[Row, ...]:
    """The rows with what `refused` says of their cases, which are those that `cases_of` gave."""
    found: dict[int, list[str]] = {}
    for error in refused.errors:
        if match := CASE.fullmatch(error.field):
            found.setdefault(int(match[1]), []).append(_told(match[2], error.message))
    good = [row for row in rows if not row.mistakes]
    told = {row.line: found.get(index, []) for index, row in enumerate(good)}
    return tuple(Row(row.line, row.case, (*row.mistakes, *told.get(row.line, ()))) for row in rows)


def placed(rows: Sequence[Row], refused: Invalid) -> Invalid:
    """The same refusal with its mistakes at the fields of the form: cases by their line, scorers by their path."""
    good = [row for row in rows if not row.mistakes]
    return Invalid(refused.code, refused.detail, errors=[_place(good, error) for error in refused.errors])


def as_lines(contents: Iterable[str]) -> str:
    """Stored cases as text, one a line."""
    return "\n".join(contents)


def as_json_text(value: JSON) -> str:
    """A value as it is edited; nothing for null."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2)


def _read(number: int, line: str) -> Row:
    try:
        return Row(number, parse_json(line))
    except InvalidJson as problem:
        return Row(number, None, (f"This line is not JSON: {problem.message}",))


def _place(good: Sequence[Row], error: FieldError) -> FieldError:
    if match := CASE.fullmatch(error.field):
        return FieldError("cases", error.code, f"Line {good[int(match[1])].line}: {_told(match[2], error.message)}")
    if (match := OTHER.fullmatch(error.field)) and match[2]:
        return FieldError(match[1], error.code, f"{error.field} {error.message}")
    return error


def _told(path: str, message: str) -> str:
    return f"{path} {message}" if path else f"it {message}"
