"""A CSV, JSONL or JSON file as a table of values, each row with the line it begins at."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from evals_app.suite_content import MOST_CASES
from registry.core.canonical import JSON, InvalidJson, check_text, parse_json
from registry.core.csv_cells import DEFUSED
from registry.core.errors import Invalid, invalid_field

MOST_BYTES = 9 * 1024 * 1024
MOST_COLUMNS = 200
DELIMITERS = ",;\t|"
_EXTENSIONS = {"csv": "csv", "tsv": "csv", "txt": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "json"}
_EXTENSIONS |= {"yaml": "promptfoo", "yml": "promptfoo"}

type Form = Literal["csv", "jsonl", "json", "promptfoo"]

FORMS: tuple[Form, ...] = ("csv", "jsonl", "json", "promptfoo")

# Python's reader refuses longer cells, and its own limit is far below that of a file.
csv.field_size_limit(MOST_BYTES)


@dataclass(frozen=True, slots=True)
class Row:
    """What one row holds, by the header of its column; columns without a value are left out. It ends before those `beyond`."""

    line: int
    values: Mapping[str, JSON]
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A file read. `mistakes` are lines that could not be read, with what to do."""

    headers: tuple[str, ...]
    rows: tuple[Row, ...]
    mistakes: tuple[tuple[int, str], ...] = ()


def decode(data: bytes) -> str:
    """The text of a file; raises Invalid for one that is too large or no text, and says what to do."""
    if len(data) > MOST_BYTES:
        raise invalid_field(
            "file", "length", f"The file has {len(data):,} bytes, and at most {MOST_BYTES:,} are read: split it."
        )
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise invalid_field("file", "format", "This is a workbook, not a text file: save it as “CSV UTF-8” first.")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return storable(data.decode(encoding))
    except UnicodeDecodeError as error:
        raise invalid_field(
            "file", "encoding", f"The file is not UTF-8 (byte {error.start}): save it as “CSV UTF-8”, or as UTF-8 text."
        ) from None


def storable(text: str) -> str:
    """The text without a byte order mark; raises Invalid for what cannot be stored, and for too much."""
    if len(text) > MOST_BYTES:
        raise invalid_field("text", "length", f"At most {MOST_BYTES:,} characters are read: split the file.")
    try:
        check_text(text)
    except InvalidJson as problem:
        line = text.count("\n", 0, problem.position or 0) + 1
        raise invalid_field("file", "character", f"Line {line}: {problem.message}") from None
    return text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


def form_of(name: str, text: str) -> Form:
    """What kind of file it is: by its name, else by how it begins."""
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if found := _EXTENSIONS.get(extension):
        return next(form for form in FORMS if form == found)
    start = text.lstrip()[:200]
    if start.startswith("["):
        return "json"
    if start.startswith("{"):
        return "json" if "\n" in start.partition("}")[0] else "jsonl"
    return "promptfoo" if re.match(r"(?:#.*\n)*\s*(?:description|prompts|providers|tests)\s*:", start) else "csv"


def read_csv(text: str) -> Table:
    """A CSV file (RFC 4180) with a header; the delimiter is found: comma, semicolon, tab or bar."""
    delimiter, text, skipped = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    mistakes: list[tuple[int, str]] = []
    lines = _lines(reader, mistakes, skipped)
    first = next(((line, cells) for line, cells in lines if any(cells)), None)
    if first is None:
        raise _empty()
    headers = _headers(first[1])
    rows: list[Row] = []
    for line, cells in lines:
        if not any(cells):
            continue
        if len(cells) > len(headers):
            extra = len(cells) - len(headers)
            mistakes.append(
                (line, f"has {extra} more cell{'s' * (extra > 1)} than the header: quote cells with a {delimiter!r}")
            )
            continue
        _refuse_many(len(rows))
        values = {header: _plain(cell) for header, cell in zip(headers, cells, strict=False) if cell != ""}
        rows.append(Row(line, values, headers[len(cells) :]))
    return Table(headers, tuple(rows), tuple(mistakes))


def read_jsonl(text: str) -> Table:
    """One JSON object a line; blank lines are passed over."""
    rows: list[Row] = []
    mistakes: list[tuple[int, str]] = []
    for line, part in enumerate(text.split("\n"), 1):
        if not part.strip():
            continue
        _refuse_many(len(rows))
        try:
            value = parse_json(part.strip())
        except InvalidJson as problem:
            mistakes.append((line, f"is not JSON: {problem.message}"))
            continue
        if isinstance(value, dict):
            rows.append(Row(line, value))
        else:
            mistakes.append((line, 'must be a JSON object, such as {"key": "a", "variables": {"q": "1"}}'))
    return _of_rows(rows, mistakes)


def read_json(text: str) -> tuple[Table, dict[str, JSON]]:
    """A JSON list of objects, or an object with `cases` and, beside it, a suite's rules, which come back too."""
    try:
        value = parse_json(text)
    except InvalidJson as problem:
        raise invalid_field("file", "json", f"The file is not JSON: {problem.message}") from None
    rules: dict[str, JSON] = {}
    if isinstance(value, dict) and isinstance(value.get("cases"), list):
        rules = {name: one for name, one in value.items() if name != "cases"}
        value = value["cases"]
    if not isinstance(value, list):
        raise invalid_field("file", "type", "The file must hold a list of cases, or an object with `cases`.")
    _refuse_many(len(value) - 1)
    rows = [Row(index, one) for index, one in enumerate(value, 1) if isinstance(one, dict)]
    mistakes = [(index, "must be a JSON object") for index, one in enumerate(value, 1) if not isinstance(one, dict)]
    return _of_rows(rows, mistakes), rules


def _of_rows(rows: list[Row], mistakes: list[tuple[int, str]]) -> Table:
    headers: dict[str, None] = {}
    for row in rows:
        headers |= dict.fromkeys(row.values)
    if len(headers) > MOST_COLUMNS:
        raise _too_wide(len(headers))
    if not rows and not mistakes:
        raise _empty()
    return Table(tuple(headers), tuple(rows), tuple(mistakes))


def _lines(
    reader: Iterator[list[str]], mistakes: list[tuple[int, str]], skipped: int
) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins at; the file ends where its quoting is broken, which is a mistake."""
    begins = 1 + skipped
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            mistakes.append(
                (begins, f"cannot be read ({error}), nor can what follows: close its quotes, double those inside")
            )
            return
        yield begins, cells
        begins = getattr(reader, "line_num", 0) + 1 + skipped


def _headers(cells: list[str]) -> tuple[str, ...]:
    """The header's cells; each has a name of its own."""
    if len(cells) > MOST_COLUMNS:
        raise _too_wide(len(cells))
    names: list[str] = []
    for index, cell in enumerate(cells, 1):
        name = _plain(cell).strip() or f"column {index}"
        if name in names:
            raise invalid_field("file", "taken", f"Two columns are called “{name[:60]}”: rename one of them.")
        names.append(name)
    return tuple(names)


def _plain(cell: str) -> str:
    """The cell as it was before an export made it harmless for spreadsheets."""
    return cell[1:] if cell[:1] == "'" and DEFUSED.match(cell) else cell


def _delimiter(text: str) -> tuple[str, str, int]:
    """The delimiter, the text that is left, and how many lines were passed over (Excel's `sep=;`)."""
    if match := re.match(rf"sep=([{re.escape(DELIMITERS)}])\r?\n", text):
        return match[1], text[match.end() :], 1
    counts, quoted = dict.fromkeys(DELIMITERS, 0), False
    for character in text[:65_536]:
        if character == '"':
            quoted = not quoted
        elif character in "\r\n" and not quoted:
            if any(counts.values()):
                break
        elif character in counts and not quoted:
            counts[character] += 1
    return max(DELIMITERS, key=lambda one: counts[one]), text, 0


def _refuse_many(read: int) -> None:
    if read >= MOST_CASES:
        raise invalid_field("file", "length", f"The file has more than {MOST_CASES:,} rows, as many as a suite takes.")


def _too_wide(number: int) -> Invalid:
    return invalid_field("file", "length", f"The file has {number:,} columns; at most {MOST_COLUMNS} are read.")


def _empty() -> Invalid:
    return invalid_field(
        "file", "required", "There is nothing in it: the first line names the columns, each other one is a case."
    )
