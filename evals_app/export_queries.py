"""What is exported, piece by piece: a run of 100,000 results is never in memory as a whole."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from evals_app.files.writing import as_json, as_jsonl, cases_as_csv
from evals_app.models import Result, Run, SuiteVersion
from evals_app.version_queries import cases_of
from registry.core.canonical import JSON
from registry.core.csv_cells import csv_lines
from registry.core.errors import NotFound
from registry.core.times import rfc3339

RESULTS_AT_ONCE = 1000
MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl", "json": "application/json"}
COLUMNS = (
    "case", "arm", "repeat", "status", "error", "output", "expected", "tags", "critical", "variables", "scores", "tool_calls",
    "cost", "latency_ms", "input_tokens", "output_tokens", "provider", "model", "cached", "created_at",
)  # fmt: skip


@dataclass(frozen=True)
class ExportedFile:
    """A file as it is written: its name, its media type, its text in pieces."""

    name: str
    media: str
    pieces: Iterable[str]


def file_of_version(version: SuiteVersion, form: str) -> ExportedFile:
    """A suite version as `csv`, `jsonl` or `json`; raises NotFound for another form. One query."""
    rules: Mapping[str, JSON] = json.loads(version.rules)
    writers: dict[str, Callable[[list[dict[str, JSON]]], Iterator[str]]] = {
        "csv": cases_as_csv,
        "jsonl": as_jsonl,
        "json": lambda cases: as_json(cases, rules),
    }
    media = _media(form)
    return ExportedFile(f"{version.suite.slug}-v{version.number}.{form}", media, writers[form](cases_of(version)))


def file_of_run(run: Run, form: str) -> ExportedFile:
    """All results of a run likewise; one query for each 1,000 of them."""
    writers: dict[str, Callable[[Iterator[dict[str, JSON]]], Iterator[str]]] = {
        "csv": _as_csv,
        "jsonl": as_jsonl,
        "json": _as_list,
    }
    media = _media(form)
    return ExportedFile(f"run-{run.pk}.{form}", media, writers[form](_rows(run)))


def _media(form: str) -> str:
    if form not in MEDIA:
        raise NotFound("export.form", f"Files are written as {', '.join(MEDIA)}.")
    return MEDIA[form]


def _rows(run: Run) -> Iterator[dict[str, JSON]]:
    after = 0
    while True:
        rows = Result.objects.filter(run=run, pk__gt=after).select_related("case").order_by("pk")
        found = list(rows[:RESULTS_AT_ONCE])
        yield from map(_row, found)
        if len(found) < RESULTS_AT_ONCE:
            return
        after = found[-1].pk


def _row(result: Result) -> dict[str, JSON]:
    case = result.case.to_json()
    return {
        "case": result.case.key,
        "arm": result.arm,
        "repeat": result.repeat,
        "status": "error" if result.error else "passed" if result.is_passed else "failed",
        "error": result.error,
        "output": result.output,
        "expected": case.get("expected"),
        "tags": list(result.case.tags),
        "critical": result.case.is_critical,
        "variables": case.get("variables", {}),
        "scores": json.loads(result.scores),
        "tool_calls": json.loads(result.tool_calls),
        "cost": None if result.cost is None else float(result.cost),
        "latency_ms": result.latency_ms,
        "input_tokens": result.input_tokens,
        "output_tokens": result.output_tokens,
        "provider": result.provider_name,
        "model": result.model,
        "cached": result.is_cached,
        "created_at": rfc3339(result.created_at),
    }


def _as_csv(rows: Iterator[dict[str, JSON]]) -> Iterator[str]:
    yield from csv_lines([COLUMNS])
    yield from csv_lines([_cell(row[name]) for name in COLUMNS] for row in rows)


def _cell(value: JSON) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_list(rows: Iterator[dict[str, JSON]]) -> Iterator[str]:
    yield "["
    for index, row in enumerate(rows):
        yield (",\n" if index else "\n") + json.dumps(row, ensure_ascii=False)
    yield "\n]\n"
