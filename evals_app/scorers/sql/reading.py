"""What a text is as SQL of a dialect: valid or not, and which tables and columns it names. As node-sql-parser says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from evals_app.scorers.sql.grammar import program
from evals_app.scorers.sql.machine import Found, run

ALL, NONE = "(.*)", "null"
_PART = r'(?:`[^`]*`|"[^"]*"|\[[^\]]*\]|[^\s.*`"\[\](),;:]+)'
_PATH = re.compile(rf"{_PART}(?:\s*\.\s*{_PART})*")
_PARTS = re.compile(_PART)
_QUOTED = re.compile(r"""(?s)'([^'\\]*)'|"([^"\\]*)\"""")
_ALIAS = re.compile(r"AS\s+", re.IGNORECASE)
_AFTER_SELECT = re.compile(r"[\s)]*(?:\Z|(?:UNION|EXCEPT|INTERSECT|MINUS)\b)", re.IGNORECASE)
_ACTIONS = {
    "select_stmt_nake": "select",
    "update_stmt": "update",
    "delete_stmt": "delete",
    "replace_insert_stmt": "insert",
    "insert_no_columns_stmt": "insert",
    "insert_into_set": "insert",
}


@dataclass(slots=True)
class Named:
    """What statements name, as `action::database::table` and `action::table::column`; aliases lead to their tables."""

    joins_databases: bool
    tables: set[str] = field(default_factory=set)
    columns: set[tuple[str, ...]] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)

    def column_texts(self) -> set[str]:
        """The columns, by their tables' own names."""
        return {"::".join((action, self.aliases.get(table, table), *rest)) for action, table, *rest in self.columns}


def read_sql(text: str, dialect: str) -> Named | None:
    """What is named in a text that is SQL, None where it is none; raises TooMuchError, and KeyError for another dialect."""
    found = program(dialect)
    if found is None:
        raise KeyError(dialect)
    kept = run(found, text)
    if kept is None or any(_is_wrong(one, text) for top in kept for one in _all(top)):
        return None
    named = Named(joins_databases=dialect not in {"mysql", "mariadb"})
    for one in kept:
        _note(one, text, named)
    return named


def _all(found: Found) -> Iterator[Found]:
    waiting = [found]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(one.inside)


def _is_wrong(found: Found, text: str) -> bool:
    """What fits the grammar and is refused all the same."""
    inside = {one.name: one for one in reversed(found.inside)}
    if found.name == "binary_column_expr" and "head" in inside:
        return _is_wrong_head(inside["head"], text)
    if found.name == "replace_insert_stmt" and "c" in inside:
        columns = len(_listed(inside["c"], text))
        rows = [one for one in found.inside if one.name == "value_item"]
        return any(sum(one.name == "item" for one in row.inside) != columns for row in rows if row.inside)
    opened = [one for one in found.inside if one.name in {"lp", "rp"}]
    lengths = [one.end - one.start for one in opened]
    return len(lengths) == 2 and lengths[0] != lengths[1]


def _is_wrong_head(head: Found, text: str) -> bool:
    """A SELECT among the columns has to stand in parentheses and to have one column, which is named."""
    select = next((one for one in head.inside if one.name == "select_stmt_nake"), None)
    if select is None or text[head.start : select.start].strip("( \t\r\n"):
        return False
    if not _AFTER_SELECT.match(text, select.end, head.end):
        return False
    clause = next((one for one in select.inside if one.name == "column_clause"), None)
    items = [one for one in clause.inside if one.name == "column_list_item"] if clause else []
    return text[head.start] != "(" or len(items) != 1 or _said(items[0], text).endswith("*")


def _said(found: Found, text: str) -> str:
    return text[found.start : found.end].strip()


def _parts(text: str) -> list[str]:
    """The names of a path such as `shop.users` without their quotes; `*` is no name."""
    match = _PATH.match(text)
    return [one[1:-1] if one[0] in '`"[' else one for one in _PARTS.findall(match[0])] if match else []


def _listed(found: Found, text: str) -> list[str]:
    """The names between commas."""
    return [match[0].strip('`"[]') for match in _PARTS.finditer(text, found.start, found.end)]


def _note(top: Found, text: str, named: Named) -> None:
    """What one statement names, and those in it."""
    first = re.match(r"[\s(]*(\w*)", text[top.start : top.end])
    waiting = [(top, first[1].lower() if first else "", False)]
    while waiting:
        found, action, is_joined = waiting.pop()
        action = _ACTIONS.get(found.name, action)
        is_joined = found.name == "table_join" or (is_joined and found.name not in _ACTIONS)
        _NOTES.get(found.name, _nothing)(found, text, named, "select" if is_joined else action)
        waiting.extend((one, action, is_joined) for one in found.inside)


def _nothing(found: Found, text: str, named: Named, action: str) -> None:
    """Most parts name nothing themselves."""


def _table(found: Found, text: str, named: Named, action: str) -> None:
    *database, table = _parts(_said(found, text)) or [""]
    named.tables.add(f"{action}::{'.'.join(database) or NONE}::{table}")


def _table_with_alias(found: Found, text: str, named: Named, action: str) -> None:
    inside = {one.name: one for one in found.inside}
    if "table_name" not in inside:
        return
    table = (_parts(_said(inside["table_name"], text)) or [""])[-1]
    if "alias_clause" in inside:
        alias = _parts(_ALIAS.sub("", _said(inside["alias_clause"], text)))
        named.aliases[alias[0] if alias else ""] = table
    if action == "delete":
        named.columns.add((action, table, ALL))


def _column(found: Found, text: str, named: Named, action: str) -> None:
    said = _said(found, text)
    *table, column = [*_parts(said), *([ALL] if said.endswith("*") else [])] or [""]
    path = [".".join(table)] if named.joins_databases and table else table or [NONE]
    named.columns.add(("select", *path, column))


def _columns(found: Found, text: str, named: Named, action: str) -> None:
    if text[found.start] == "*":
        named.columns.add(("select", NONE, ALL))


def _item(found: Found, text: str, named: Named, action: str) -> None:
    said = _said(found, text)
    if quoted := _QUOTED.fullmatch(said):
        named.columns.add(("select", NONE, quoted[1] or quoted[2] or ""))
    elif said.endswith("*") and not any(one.name == "column_ref" for part in found.inside for one in _all(part)):
        _column(found, text, named, action)


def _inserted(found: Found, text: str, named: Named, action: str) -> None:
    table = next((one for one in found.inside if one.name == "table_name"), found)
    name = (_parts(_said(table, text)) or [""])[-1]
    columns = [column for part in found.inside if part.name == "c" for column in _listed(part, text)]
    named.columns |= {("insert", name, column) for column in columns or [ALL]}


def _set(found: Found, text: str, named: Named, action: str) -> None:
    if action != "update":
        return
    *table, column = _parts(text[found.start : found.end]) or [""]
    named.columns.add(("update", *(table or [NONE]), column))


_NOTES: Mapping[str, Callable[[Found, str, Named, str], None]] = {
    "table_name": _table,
    "table_base": _table_with_alias,
    "column_ref": _column,
    "column_clause": _columns,
    "column_list_item": _item,
    "replace_insert_stmt": _inserted,
    "insert_no_columns_stmt": _inserted,
    "insert_into_set": _inserted,
    "set_item": _set,
}
