"""The output is SQL, or has SQL in it."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from evals_app.scorers.options import Option, choice_option, texts_option
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Target,
    Tools,
    UnscorableError,
    excerpt,
    refuse_longer,
)
from evals_app.scorers.sql.doubts import doubt
from evals_app.scorers.sql.machine import TooMuchError
from evals_app.scorers.sql.reading import read_sql
from evals_app.scorers.trimming import trimmed
from registry.core.canonical import JSON
from registry.core.errors import Invalid

LONGEST, MOST_NAMES, MOST_BLOCKS = 20_000, 200, 20
DIALECTS = (
    *("athena", "bigquery", "db2", "flinksql", "hive", "mariadb", "mysql", "noql", "postgresql", "redshift"),
    *("snowflake", "sqlite", "transactsql", "trino"),
)
DIALECT = choice_option("dialect", "The database whose SQL it has to be.", DIALECTS, default="mysql")
TABLES = texts_option(
    "tables", "Patterns of the tables that it may name, as `select::null::users`: action, database, table.", most=100
)
COLUMNS = texts_option(
    "columns", "Patterns of the columns that it may name, as `select::users::name`: action, table, column.", most=100
)
_FENCE = re.compile(r"[ \t]{0,3}(`{3,}+|~{3,}+)(.*)", re.DOTALL)
_LINES = re.compile(r"\r\n?|\n")


class _Sql(Scorer):
    """By the grammars of node-sql-parser, so that promptfoo's suites get the verdicts that they had."""

    family: ClassVar[Family] = "structure"
    target: ClassVar[Target] = "nothing"
    options: ClassVar[tuple[Option[Any], ...]] = (DIALECT, TABLES, COLUMNS)

    def _lacks(self, text: str, spec: ScorerSpec, tools: Tools) -> str:
        """Why a text is not the SQL that is asked for; empty where it is."""
        dialect = DIALECT.of(spec)
        try:
            named = read_sql(trimmed(text), dialect)
        except TooMuchError:
            raise UnscorableError("The output takes too long to be read as SQL.") from None
        if why := doubt(trimmed(text), dialect):
            return f"The output is no SQL of {dialect}: {why}."
        if named is None or not trimmed(text):
            return f"The output is no SQL of {dialect}. It begins: {excerpt(text)}"
        for permitted, names in ((TABLES.of(spec), named.tables), (COLUMNS.of(spec), named.column_texts())):
            if permitted and (other := _not_permitted(permitted, names, tools)):
                return f"It names {excerpt(other)}, which is not permitted."
        return ""


class IsSql(_Sql):
    """One statement, or several with `;` between them; what the database itself would say of it is not known."""

    kind: ClassVar[str] = "is_sql"
    about: ClassVar[str] = "the whole output is SQL of a dialect; with `tables` or `columns`, it names only these"
    example: ClassVar[Example] = Example(
        {"kind": "is_sql", "dialect": "postgresql"},
        Output("SELECT name FROM users WHERE id = 1"),
        Output("SELECT name FORM users"),
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        refuse_longer(output.text, LONGEST, "be read as SQL")
        why = self._lacks(output.text, spec, tools)
        return Score(float(not why), not why, why or "It is SQL.")


class ContainsSql(_Sql):
    """Where there are blocks of code without a language, or of `sql`, one of them has to be; else the whole output."""

    kind: ClassVar[str] = "contains_sql"
    about: ClassVar[str] = "a block of code in the output is SQL, or without such blocks the whole output"
    example: ClassVar[Example] = Example(
        {"kind": "contains_sql"}, Output("Try this:\n```sql\nSELECT 1\n```"), Output("Try SELECT 1.")
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        refuse_longer(output.text, LONGEST, "be read as SQL")
        blocks = sql_blocks(output.text)
        if len(blocks) > MOST_BLOCKS:
            raise UnscorableError(f"The output has more than {MOST_BLOCKS} blocks of code.")
        why = "There is no SQL in it."
        for block in [one for one in blocks or [output.text] if trimmed(one)]:
            why = self._lacks(block, spec, tools)
            if not why:
                return Score(1.0, True, "There is SQL in it.")
        return Score(0.0, False, why)


def sql_blocks(text: str) -> list[str]:
    """Fenced blocks that are closed, without a language or of `sql`."""
    blocks: list[str] = []
    body: list[str] | None = None
    fence, is_sql = "", False
    for line in _LINES.split(text):
        match = _FENCE.fullmatch(line)
        if body is None:
            if match:
                fence, body = match[1], []
                is_sql = trimmed(match[2]).lower() in {"", "sql"}
        elif match and match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2].strip(" \t"):
            blocks += [trimmed("\n".join(body))] if is_sql else []
            body = None
        else:
            body.append(line)
    return blocks


def _not_permitted(permitted: Sequence[str], names: Iterable[str], tools: Tools) -> str:
    """The first name that none of the patterns fits; empty where each has one."""
    plain = {one.lower() for one in permitted}
    others = sorted(name for name in names if name.lower() not in plain)
    if len(others) > MOST_NAMES:
        raise UnscorableError(f"The output names more than {MOST_NAMES} tables or columns.")
    pattern = "(?i)" + "|".join(f"(?:^{one}\\Z)" for one in permitted)
    try:
        return next((name for name in others if not tools.match(pattern, name)), "")
    except Invalid as error:
        raise UnscorableError(f"A pattern of tables or columns cannot be used: {error.detail}") from None
