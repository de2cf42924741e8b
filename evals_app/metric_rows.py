"""A suite's metrics as rows of a form: one text for each field, read from the JSON they are kept as and written back. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evals_app.metric_rules import MEASURES, MOST_METRICS
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError

NUMBERS = ("margin", "floor", "first_floor", "least_gain")
FIELDS = ("name", "mode", *NUMBERS)
FIRST: Mapping[str, str] = {"name": "", "mode": "non_inferior", **dict.fromkeys(NUMBERS, "")}
# Comes with every form that has rows, also where there is none left.
MARKER = "metric_rows"
MEASURE_LABELS = {"cost": "Cost of a case (US dollars)", "latency": "Latency (ms)", "output_tokens": "Output tokens"}
PLACE = re.compile(r"metrics\[(\d+)\]\.?(\w*)")

type Posted = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Cell:
    """One field of a row: as it is typed, and what is wrong with it."""

    name: str
    value: str
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricRow:
    """One metric as the form shows it; `mistakes` are those of the whole row. `choices` are names and their labels."""

    index: int
    cells: Mapping[str, Cell]
    choices: tuple[tuple[str, str], ...]
    mistakes: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[Cell]:
        """The fields that hold a number."""
        return [self.cells[name] for name in NUMBERS]


@dataclass(frozen=True)
class MetricSheet:
    """The metrics of the form. `rows` is None for a text that cannot be shown as rows: it is edited as it is."""

    rows: tuple[MetricRow, ...] | None
    is_full: bool = False
    left_over: tuple[FieldError, ...] = field(default_factory=tuple)

    @property
    def has_mistakes(self) -> bool:
        """Whether anything is marked in a row."""
        return any(row.mistakes or any(cell.mistakes for cell in row.cells.values()) for row in self.rows or ())


def typed_rows(text: str) -> list[dict[str, str]] | None:
    """The rows of a text that was kept; None where it is no list of metrics with the fields that rows have."""
    if not text.strip():
        return []
    try:
        found = parse_json(text)
    except InvalidJson:
        return None
    if not isinstance(found, list):
        return None
    rows = [_row(value) for value in found]
    return None if any(row is None for row in rows) else [row for row in rows if row is not None]


def posted_rows(posted: Posted) -> str | None:
    """What a browser sent of the rows, as the text that is kept; None where it sent none.

    Rows in which nothing is filled in are dropped, but for the one that `step` asks for; it may take one out, too.
    """
    if not posted.get(MARKER):
        return None
    step, _, place = (posted.get("step") or ("",))[-1].partition(":")
    lists = {name: list(posted.get(f"metric_{name}", ())) for name in FIELDS}
    rows = []
    for index, values in enumerate(zip(*lists.values(), strict=False)):
        row = dict(zip(lists, (value.strip() for value in values), strict=True))
        is_out = step == "metric-drop" and place == str(index)
        if not (is_out or _is_blank(row)):
            rows.append(row)
    if step == "metric-add" and len(rows) < MOST_METRICS:
        rows.append(dict(FIRST))
    return json.dumps([_written(row) for row in rows], ensure_ascii=False, indent=2) if rows else ""


def filled(metrics: JSON) -> JSON:
    """Metrics without rows in which nothing is filled in yet; they stand at the end."""
    if not isinstance(metrics, list):
        return metrics
    kept = list(metrics)
    while kept and (row := _row(kept[-1])) is not None and _is_blank(row):
        kept.pop()
    return kept


def metric_sheet(text: str, names: Iterable[str], errors: Sequence[FieldError] = ()) -> MetricSheet:
    """What the form shows of the metrics, each mistake at its field; those of no row are left over."""
    rows = typed_rows(text)
    if rows is None:
        return MetricSheet(None, left_over=tuple(errors))
    placed: dict[tuple[int, str], list[str]] = {}
    left_over = []
    for error in errors:
        match = PLACE.fullmatch(error.field)
        if match is None or int(match[1]) >= len(rows):
            left_over.append(error)
            continue
        name = match[2] if match[2] in FIELDS else ""
        placed.setdefault((int(match[1]), name), []).append(_sentence(error.message))
    offered = [*MEASURE_LABELS.items(), *((name, name) for name in names if name not in MEASURES)]
    shown = tuple(
        MetricRow(
            index,
            {name: Cell(name, row[name], tuple(placed.get((index, name), ()))) for name in FIELDS},
            _choices(offered, row["name"]),
            tuple(placed.get((index, ""), ())),
        )
        for index, row in enumerate(rows)
    )
    return MetricSheet(shown, len(rows) >= MOST_METRICS, tuple(left_over))


def scorer_names(scorers: JSON) -> list[str]:
    """The names that a list of scorers, acceptable or not, gives them, a kind standing for a name left out."""
    names: dict[str, None] = {}
    for scorer in scorers if isinstance(scorers, list) else ():
        if isinstance(scorer, dict) and isinstance(name := scorer.get("name", scorer.get("kind")), str) and name:
            number, free = 1, name
            while free in names and "name" not in scorer:
                number += 1
                free = f"{name}-{number}"
            names[free] = None
    return list(names)


def _choices(offered: Sequence[tuple[str, str]], present: str) -> tuple[tuple[str, str], ...]:
    """What may be chosen, and what is there already even if no scorer has the name any more."""
    known = present in {name for name, _ in offered}
    return (("", "Choose…"), *offered, *(() if known or not present else ((present, f"{present} (no such scorer)"),)))


def _row(value: JSON) -> dict[str, str] | None:
    if not isinstance(value, dict) or not set(value) <= set(FIELDS):
        return None
    if any(isinstance(one, bool | list | dict) or one is None for one in value.values()):
        return None
    return dict(FIRST) | {name: _text(one) for name, one in value.items()}


def _text(value: JSON) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _written(row: Mapping[str, str]) -> dict[str, JSON]:
    """A row as it is kept: numbers as numbers, and what is none as it was typed."""
    written: dict[str, JSON] = {"name": row["name"], "mode": row["mode"]}
    return written | {name: _number(row[name]) for name in NUMBERS if row[name]}


def _number(text: str) -> JSON:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _is_blank(row: Mapping[str, str]) -> bool:
    return not any(row[name] for name in ("name", *NUMBERS))


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:]
