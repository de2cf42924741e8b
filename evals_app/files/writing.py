"""Suites and results as files; what `registry.core.csv_cells` makes harmless of a cell, reading takes back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from evals_app.files.columns import COMBINING, JSON_MARK
from evals_app.suite_cells import tags_cell
from registry.core.canonical import JSON
from registry.core.csv_cells import csv_lines

FIXED = ("expected", "tags", "critical", "cluster", "messages", "scorers", *COMBINING)

type Case = Mapping[str, JSON]


def cases_as_csv(cases: Sequence[Case]) -> Iterator[str]:
    """Cases as a table that reads back as the same cases.

    A column whose values are all texts, none of them empty, holds them as they are; any other has the mark `:json` in its
    header and JSON in its cells. An empty cell is no value.
    """
    names = list(dict.fromkeys(name for case in cases for name in _variables(case)))
    headers = ["key", *(f"variables.{name}" for name in names), *(name for name in FIXED if _is_used(cases, name))]
    columns = [[_field(case, header) for case in cases] for header in headers]
    plain = [_is_plain(header, column) for header, column in zip(headers, columns, strict=True)]
    marked = [header if is_plain else header + JSON_MARK for header, is_plain in zip(headers, plain, strict=True)]
    rows = (
        [
            _cell(column[index], header, is_plain)
            for header, column, is_plain in zip(headers, columns, plain, strict=True)
        ]
        for index in range(len(cases))
    )
    yield from csv_lines([marked])
    yield from csv_lines(rows)


def as_jsonl(values: Iterable[Mapping[str, JSON]]) -> Iterator[str]:
    """One JSON object a line."""
    for value in values:
        yield json.dumps(dict(value), ensure_ascii=False) + "\n"


def as_json(cases: Sequence[Case], rules: Mapping[str, JSON]) -> Iterator[str]:
    """A whole version: its cases and rules, as the API takes them."""
    yield json.dumps({"cases": [dict(case) for case in cases], **rules}, ensure_ascii=False, indent=1) + "\n"


def _variables(case: Case) -> Mapping[str, JSON]:
    variables = case.get("variables")
    return variables if isinstance(variables, dict) else {}


def _is_used(cases: Sequence[Case], name: str) -> bool:
    return any(name in case for case in cases)


class _Nothing:
    """No value at all, which null is."""


_NOTHING = _Nothing()


def _field(case: Case, header: str) -> JSON | _Nothing:
    if header.startswith("variables."):
        return _variables(case).get(header.removeprefix("variables."), _NOTHING)
    return case.get(header, _NOTHING)


def _is_plain(header: str, column: Sequence[JSON | _Nothing]) -> bool:
    """Whether its cells can hold the values as they are."""
    if header in {"tags", "critical", "messages", "scorers"}:
        return True
    if header in COMBINING:
        return False
    return all(value is _NOTHING or (isinstance(value, str) and value != "") for value in column)


def _cell(value: JSON | _Nothing, header: str, is_plain: bool) -> str:
    if isinstance(value, _Nothing):
        return ""
    if header == "tags" and isinstance(value, list):
        return tags_cell([str(tag) for tag in value])
    if is_plain and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
