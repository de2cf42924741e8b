"""What promptfoo holds against a text besides the grammar: a comma that is likely to be missing, an odd backtick. Pure."""

from __future__ import annotations

import re

_MODIFIERS = "(?:all|distinct)"
_MYSQL_MODIFIERS = (
    "(?:all|distinct(?:row)?|high_priority|straight_join"
    "|sql_(?:big_result|buffer_result|cache|calc_found_rows|no_cache|small_result))"
)
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_DOLLARS = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$")
_SERIES = re.compile(r"\bgenerate_series\s*\(", re.IGNORECASE | re.ASCII)
_PLACE = " ? "


def _two_names(modifiers: str) -> re.Pattern[str]:
    pattern = rf"\bselect\s+(?:{modifiers}\s+)*+(?!{modifiers}\b){_NAME}\s+{_NAME}\s+from\b"
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


_LACKS_COMMA, _LACKS_COMMA_MYSQL = _two_names(_MODIFIERS), _two_names(_MYSQL_MODIFIERS)


def doubt(text: str, dialect: str) -> str:
    """Why a text is taken for no SQL although it may fit the grammar; empty where nothing speaks against it."""
    if text.count("`") % 2:
        return "a backtick is left open"
    lacks_comma = _LACKS_COMMA_MYSQL if dialect in {"mysql", "mariadb"} else _LACKS_COMMA
    if lacks_comma.search(_code(text, dialect)):
        return "a comma is likely to be missing after SELECT"
    return "MySQL has no generate_series" if dialect == "mysql" and _SERIES.search(text) else ""


def _code(text: str, dialect: str) -> str:
    """The text without what is quoted or said in comments."""
    quotes = "'\"`[" if dialect in {"transactsql", "sqlite"} else "'\"`"
    chunks, plain, at = [], 0, 0
    while at < len(text):
        end, instead = _passed_over(text, at, quotes)
        if end == at:
            at += 1
            continue
        chunks += [text[plain:at], instead]
        plain = at = end
    return "".join([*chunks, text[plain:]])


def _passed_over(text: str, at: int, quotes: str) -> tuple[int, str]:
    """Where a quotation or comment that begins at `at` ends, and what stands for it; `at` where none begins."""
    character = text[at]
    if character in quotes:
        return _quoted(text, at, "]" if character == "[" else character), _PLACE
    if character == "#" or text.startswith("--", at):
        ends = [end for end in (text.find("\r", at), text.find("\n", at)) if end >= 0]
        return min(ends, default=len(text)), " "
    if text.startswith("/*", at):
        return _after(text, "*/", at + 2), " "
    dollars = _DOLLARS.match(text, at) if character == "$" else None
    return (_after(text, dollars[0], dollars.end()), _PLACE) if dollars else (at, "")


def _after(text: str, what: str, at: int) -> int:
    found = text.find(what, at)
    return len(text) if found < 0 else found + len(what)


def _quoted(text: str, at: int, quote: str) -> int:
    """Where what is quoted ends: doubled quotes and, but in brackets, backslashes do not end it."""
    at += 1
    while at < len(text):
        if quote != "]" and text[at] == "\\":
            at += 2
        elif text[at] != quote:
            at += 1
        elif text.startswith(quote, at + 1):
            at += 2
        else:
            return at + 1
    return len(text)
