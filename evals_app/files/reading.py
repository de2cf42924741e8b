"""A file of cases, whatever its kind, as cases, mistakes and what else it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evals_app.files.columns import Column, Reading, guessed, is_native, native_columns, read_cases
from evals_app.files.promptfoo import FoundPrompt, Note, read_promptfoo
from evals_app.files.table import Form, Table, read_csv, read_json, read_jsonl
from evals_app.model_settings import Offer
from registry.core.canonical import JSON


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file read. `columns` is empty where nothing has to be mapped; `rules` are a suite's rules that came with it, `notes` what of it is not taken over as it stands."""

    reading: Reading
    columns: tuple[Column, ...] = ()
    rules: Mapping[str, JSON] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    prompts: tuple[FoundPrompt, ...] = ()


def read_file(form: Form, text: str, columns: Sequence[Column] = (), offers: Sequence[Offer] = ()) -> ReadFile:
    """Read a file as its kind says; `columns` map a table, as guessed where there are none; `offers` may judge.

    Raises Invalid where nothing can be read.
    """
    if form == "promptfoo":
        found = read_promptfoo(text, offers)
        return ReadFile(found.reading, rules=found.rules, notes=found.notes, prompts=found.prompts)
    rules: Mapping[str, JSON] = {}
    if form == "csv":
        table = read_csv(text)
    elif form == "jsonl":
        table = read_jsonl(text)
    else:
        table, rules = read_json(text)
    if form != "csv" and is_native(table):
        return ReadFile(read_cases(table, native_columns(table)), rules=rules)
    chosen = _fitting(table, columns) or guessed(table)
    return ReadFile(read_cases(table, chosen), chosen, rules)


def _fitting(table: Table, columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns asked for, by the table's headers; those it does not name are left out."""
    asked = {column.header: column for column in columns}
    return tuple(asked.get(header, Column(header)) for header in table.headers) if asked else ()
