"""Which column of a table is what of a case, and the cases that come of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from evals_app.files.table import Row, Table
from evals_app.suite_cells import tags_of
from evals_app.suite_content import case_problems
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError

USES = ("variable", "key", "expected", "tags", "critical", "cluster", "messages", "scorers", "")
COMBINING = ("combine", "threshold", "groups")
CASE_FIELDS = frozenset(
    {"key", "variables", "messages", "expected", "tags", "critical", "cluster", "scorers", *COMBINING}
)
SAID_BY_ALL = frozenset({"variable", "key", "expected"})
JSON_MARK = ":json"
LONGEST_MADE_KEY, LONGEST_LOOKED_AT = 60, 10_000
_NAMES: Mapping[str, tuple[str, ...]] = {
    "key": ("key", "id", "case", "case_id", "__description", "description"),
    "expected": (
        "expected",
        "expected_output",
        "expected_answer",
        "__expected",
        "answer",
        "target",
        "label",
        "category",
        "ideal",
    ),
    "tags": ("tags", "tag"),
    "critical": ("critical", "is_critical"),
    "cluster": ("cluster", "cluster_key", "group"),
    "messages": ("messages", "history"),
    "scorers": ("scorers",),
}
_TRUTH = {"true": True, "yes": True, "1": True, "x": True, "false": False, "no": False, "0": False, "": False}


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is read. `use` is empty for one left out; `name` is the variable's; `as_tag`: a tag of the case too."""

    header: str
    use: str = ""
    name: str = ""
    is_json: bool = False
    as_tag: bool = False

    def to_json(self) -> dict[str, JSON]:
        """As the API takes it."""
        shown: dict[str, JSON] = {"column": self.header, "use": self.use}
        shown |= {"name": self.name} if self.use == "variable" else {}
        return shown | ({"json": True} if self.is_json else {}) | ({"tag": True} if self.as_tag else {})


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a file: the line, the column (empty: the whole line), what to do."""

    line: int
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadCase:
    """A case and the line it comes from."""

    line: int
    case: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file came to: the cases that are sound, and every mistake; `read` counts all its rows, `unnamed` the sound
    cases whose key had to be made of their text."""

    cases: tuple[ReadCase, ...]
    mistakes: tuple[Mistake, ...]
    read: int
    unnamed: int = 0


def is_native(table: Table) -> bool:
    """True for rows that are cases as the API takes them: nothing has to be mapped."""
    return set(table.headers) <= CASE_FIELDS and bool({"key", "variables"} & set(table.headers))


def guessed(table: Table) -> tuple[Column, ...]:
    """How each column is probably meant, by its header; what is not known is a variable of that name."""
    found: list[Column] = []
    for header in table.headers:
        use = _use_of(header, {column.use for column in found})
        column = Column(header, use, _variable_of(header), is_json=header.endswith(JSON_MARK))
        found.append(replace(column, as_tag=use == "expected" and _is_category(table, header)))
    if not any(column.use == "variable" for column in found):
        found = [replace(column, use="variable") if column.use == "" else column for column in found]
    return tuple(found)


def read_cases(table: Table, columns: Sequence[Column]) -> Reading:
    """The table's rows as cases; a row with a mistake is none. Keys left out are made of the case's first text."""
    mistakes = [Mistake(line, "", text) for line, text in table.mistakes]
    cases: list[ReadCase] = []
    keys, unnamed = MadeKeys(), 0
    for row in table.rows:
        errors = _cut(row, columns)
        case = _case(row, columns, errors)
        has_key = "key" in case
        _give_key(case, keys)
        errors += [_placed(row.line, columns, problem) for problem in case_problems(case)] if not errors else []
        key = case.get("key")
        if isinstance(key, str) and keys.setdefault(key, row.line) != row.line:
            errors.append(
                Mistake(row.line, _header_of(columns, "key"), f"is the key of line {keys[key]} too: keys are unique")
            )
        mistakes += errors
        if not errors:
            cases.append(ReadCase(row.line, case))
            unnamed += not has_key
    mistakes.sort(key=lambda one: one.line)
    return Reading(tuple(cases), tuple(mistakes), len(table.rows) + len(table.mistakes), unnamed)


def _cut(row: Row, columns: Sequence[Column]) -> list[Mistake]:
    """A row that ends before a column that every case has: most often a cell with a line break that is not in quotes.

    Tags and the like may be missing at its end: some spreadsheets leave empty cells out there.
    """
    lost = [column.header for column in columns if column.use in SAID_BY_ALL and column.header in row.beyond]
    return (
        [Mistake(row.line, lost[0], "is missing: the row ends before it; quote cells that hold line breaks")]
        if lost
        else []
    )


def native_columns(table: Table) -> tuple[Column, ...]:
    """The columns of rows that are cases already."""
    return tuple(Column(header, header) for header in table.headers)


def _use_of(header: str, taken: set[str]) -> str:
    plain = header.removesuffix(JSON_MARK).strip().lower().replace(" ", "_")
    if plain.startswith(("variables.", "vars.", "var.")):
        return "variable"
    if plain in COMBINING and header.endswith(JSON_MARK):
        return plain
    for use, names in _NAMES.items():
        if plain in names and use not in taken:
            return use
    return "" if plain.startswith("__") else "variable"


def _variable_of(header: str) -> str:
    plain = re.sub(r"^(?:variables|vars|var)\.", "", header.removesuffix(JSON_MARK).strip())
    if plain != header.removesuffix(JSON_MARK).strip():
        return plain
    name = re.sub(r"\W+", "_", plain).strip("_")
    return f"v_{name}" if not name or name[0].isdigit() else name


def _is_category(table: Table, header: str) -> bool:
    """Whether the column's few values sort the rows into groups, so that results are worth telling apart by them."""
    values = [value for row in table.rows if isinstance(value := row.values.get(header), str)]
    different = set(values)
    return len(values) >= 20 and len(different) * 4 <= len(values) and all(0 < len(one) <= 100 for one in different)


def _case(row: Row, columns: Sequence[Column], errors: list[Mistake]) -> dict[str, JSON]:
    case: dict[str, JSON] = {}
    variables: dict[str, JSON] = {}
    tags: list[JSON] = []
    for column in columns:
        if column.use == "" or column.header not in row.values:
            continue
        value = _value(row, column, errors)
        if column.use == "variable":
            variables[column.name or column.header] = value
        elif column.use == "variables" and isinstance(value, dict):
            variables |= value
        elif column.use == "tags":
            tags += tags_of(value) if isinstance(value, str) else value if isinstance(value, list) else [value]
        else:
            case[column.use] = value
        if column.as_tag and isinstance(value, str) and value:
            tags.append(value[:100])
    case = (
        {"key": case.pop("key"), "variables": variables, **case} if "key" in case else {"variables": variables, **case}
    )
    if all(isinstance(tag, str) for tag in tags):
        tags = list(dict.fromkeys(tags))
    return case | ({"tags": tags} if tags else {})


def _value(row: Row, column: Column, errors: list[Mistake]) -> JSON:
    value = row.values[column.header]
    if not isinstance(value, str):
        return value
    if column.use == "critical":
        if value.strip().lower() not in _TRUTH:
            errors.append(
                Mistake(row.line, column.header, f"“{value[:40]}” says neither yes nor no: write true or false")
            )
        return _TRUTH.get(value.strip().lower(), False)
    if not column.is_json and column.use not in {"messages", "scorers"}:
        return value
    try:
        return parse_json(value)
    except InvalidJson as problem:
        errors.append(Mistake(row.line, column.header, f"is not JSON: {problem.message}"))
        return None


class MadeKeys(dict[str, int]):
    """Keys of a file by their lines, and the number that each text comes to next: many cases may begin alike."""

    def __init__(self) -> None:
        super().__init__()
        self.following: dict[str, int] = {}


def made_key(texts: Sequence[str], taken: MadeKeys) -> str:
    """A key from the first text that says something, so that the same case has the same key in the next file."""
    first = next((text for text in texts if text.strip()), "")[:LONGEST_LOOKED_AT]
    stem = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", first).split())[:LONGEST_MADE_KEY].strip() or "case"
    key, number = stem, taken.following.get(stem, 2)
    while key in taken:
        key, number = f"{stem} ({number})", number + 1
    taken.following[stem] = number
    return key


def _give_key(case: dict[str, JSON], taken: MadeKeys) -> None:
    if "key" in case:
        if isinstance(case["key"], int) and not isinstance(case["key"], bool):
            case["key"] = str(case["key"])
        return
    variables = cast("dict[str, JSON]", case["variables"])
    rest = dict(case)
    case.clear()
    case.update({"key": made_key([one for one in variables.values() if isinstance(one, str)], taken), **rest})


def _placed(line: int, columns: Sequence[Column], problem: FieldError) -> Mistake:
    """A mistake of a case at the column that its field comes from."""
    field = re.match(r"\w*", problem.field)
    name = field[0] if field else ""
    if problem.field.startswith("variables."):
        wanted = problem.field.removeprefix("variables.")
        header = next((one.header for one in columns if one.use == "variable" and one.name == wanted), "")
    else:
        header = _header_of(columns, name)
    is_whole = problem.field == name or problem.field.startswith("variables.")
    text = problem.message if header and is_whole else f"{problem.field} {problem.message}"
    return Mistake(line, header, text.strip())


def _header_of(columns: Sequence[Column], use: str) -> str:
    return next((column.header for column in columns if column.use == use), "")
