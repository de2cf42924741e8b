"""Tables of prompts (CSV or TSV), read: one row a text prompt, with a note on each name that had to be changed."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

from prompts_app.content import check_prompt_name
from prompts_app.transfer.histories import PromptHistory, WrittenVersion
from registry.core.errors import FieldError, Invalid, invalid_field
from registry.core.fields import refuse_mistakes

NAME = ("name", "act", "title")
TEXT = ("text", "prompt", "content")
MOST_ROWS = 10_000
MOST_TAGS = 50
csv.field_size_limit(10 * 1024 * 1024)


def is_table(text: str) -> bool:
    """Whether the first line names a column for names and one for texts."""
    header = _header(text)
    return any(one in header for one in NAME) and any(one in header for one in TEXT)


def read_table(text: str) -> list[PromptHistory]:
    """The prompts of a table with a header: `name` (or `act`, `title`) and `text` (or `prompt`, `content`), if there are
    such columns also `description` and `tags`, with commas between them.

    Texts are plain: only `{{name}}` is replaced in them. Raises Invalid `table.invalid` with every mistake by its row.
    """
    header = _header(text)
    name_at, text_at = _column(header, NAME), _column(header, TEXT)
    errors: list[FieldError] = []
    found: dict[str, PromptHistory] = {}
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True))[1:]
    except csv.Error as problem:
        raise invalid_field("file", "format", f"This is no table: {problem}.") from None
    if len(rows) > MOST_ROWS:
        raise invalid_field("file", "length", f"At most {MOST_ROWS:,} rows are read: export a folder at a time.")
    for number, row in enumerate(rows, start=2):
        cells = dict(zip(header, row, strict=False))
        if not any(cell.strip() for cell in row):
            continue
        where = f"row {number}"
        try:
            history = _history(cells, cells.get(header[name_at], ""), cells.get(header[text_at], ""), where)
        except Invalid as refused:
            errors.append(FieldError(where, "format", refused.detail))
            continue
        if history.name in found:
            errors.append(FieldError(where, "unique", f"{history.name} is there twice"))
        found[history.name] = history
    refuse_mistakes("table.invalid", "The table is not acceptable; nothing of it was imported.", errors)
    return list(found.values())


def _history(cells: dict[str, str], written: str, text: str, where: str) -> PromptHistory:
    if not text.strip():
        raise invalid_field("text", "required", "There is no text.")
    notes: tuple[str, ...] = ()
    try:
        name = check_prompt_name(written)
    except Invalid:
        name = _name_of(written)
        check_prompt_name(name)
        notes = (f"It is called {name} here: {written[:80]} is no name for a prompt.",)
    tags = [tag.strip() for tag in cells.get("tags", "").split(",") if tag.strip()]
    version = WrittenVersion(1, {"template_format": "plain", "text": text}, where=where)
    return PromptHistory(
        name,
        "text",
        (version,),
        description=cells.get("description", "").strip(),
        tags=tuple(dict.fromkeys(tags))[:MOST_TAGS],
        notes=notes,
        where=where,
    )


def _name_of(written: str) -> str:
    """A name that a prompt may have, near to what was written: `Linux | Terminal ` as `linux-terminal`."""
    plain = unicodedata.normalize("NFKC", written).strip().lower()
    parts = (re.sub(r"[^\w.-]+", "-", part).strip("-.") for part in plain.split("/"))
    return "/".join(part for part in parts if part)[:200]


def _header(text: str) -> list[str]:
    line = text.lstrip("\ufeff").split("\n", 1)[0]
    try:
        [row] = csv.reader([line.rstrip("\r")], delimiter=_delimiter(text), strict=True)
    except (csv.Error, ValueError):
        return []
    return [cell.strip().lower() for cell in row]


def _column(header: list[str], names: tuple[str, ...]) -> int:
    at = next((header.index(one) for one in names if one in header), None)
    if at is None:
        there = ", ".join(cell for cell in header if cell)[:200] or "none"
        raise invalid_field(
            "file", "format", f"The first line must name a column {' or '.join(names)}; it names {there}."
        )
    return at


def _delimiter(text: str) -> str:
    line = text.split("\n", 1)[0]
    return max((",", ";", "\t"), key=line.count)
