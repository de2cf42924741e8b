"""The filters, tests and methods of templates: Jinja's own, guarded where sizes or values can run away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, cast

from jinja2 import Environment
from jinja2 import filters as theirs
from jinja2.exceptions import SecurityError
from jinja2.runtime import Undefined
from jinja2.tests import TESTS as THEIR_TESTS
from jinja2.utils import pass_context, pass_environment

from greenroom.templates.budget import BUDGET, LimitReached
from greenroom.templates.guards import (
    Value,
    check_number,
    concat,
    contains,
    format_percent,
    measure,
    part,
    steps,
    text_of,
)

MAX_GROUPS = 10_000
MAX_WRAPPED = 200_000
METHOD = "method:"
LOOP, CONCAT, IN, NOT_IN, PART = "guard:loop", "guard:concat", "guard:in", "guard:not in", "guard:part"
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})

type Change = Callable[..., Any]


def tojson(value: Value, indent: int | None = None) -> str:
    """JSON as people write it in prompts: keys in their order, nothing escaped that JSON does not ask for."""
    measure(value)
    if indent is not None and not 0 <= indent <= 16:
        raise LimitReached("tojson indents by at most 16.")
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    BUDGET.characters(len(text))
    return text


def escape(value: Value) -> str:
    """HTML entities, as plain text: what is joined to it later is not escaped by it."""
    text = text_of(value)
    BUDGET.characters(len(text) * 5)
    return text.translate(_ENTITIES)


def center(value: Value, width: int = 80) -> str:
    BUDGET.characters(width)
    return text_of(value).center(width)


@pass_environment
def join(environment: Environment, value: Value, d: Value = "", attribute: str | int | None = None) -> str:
    values = steps(value)
    if attribute is not None:
        values = map(theirs.make_attrgetter(environment, attribute), values)
    pieces, between = [text_of(item) for item in values], text_of(d)
    BUDGET.characters(sum(map(len, pieces)) + len(between) * len(pieces))
    return between.join(pieces)


@pass_environment
def join_method(environment: Environment, between: Value, values: Value) -> str:
    return join(environment, values, between)


def replace(value: Value, old: str, new: str, count: int | None = None) -> str:
    text, old, new = text_of(value), text_of(old), text_of(new)
    limit = -1 if count is None else count
    found = text.count(old)
    BUDGET.characters(len(text) + len(new) * (found if limit < 0 else min(limit, found)))
    return text.replace(old, new, limit)


def indent(value: Value, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = text_of(value)
    BUDGET.characters(len(text) + (text.count("\n") + 1) * (width if isinstance(width, int) else len(width)))
    return theirs.do_indent(text, width, first, blank)


def batch(value: Value, linecount: int, fill_with: Value = None) -> Iterator[list[Value]]:
    _check_groups(linecount)
    return theirs.do_batch(steps(value), linecount, fill_with)


def slices(value: Value, slices: int, fill_with: Value = None) -> Iterator[list[Value]]:
    _check_groups(slices)
    return theirs.sync_do_slice(list(steps(value)), slices, fill_with)


def round_number(value: Value, precision: int = 0, method: str = "common") -> float:
    if not -20 <= precision <= 20:
        raise LimitReached("round takes a precision between -20 and 20.")
    if isinstance(value, str | list | tuple):
        raise TypeError("round takes a number")
    return theirs.do_round(value, precision, method)  # type: ignore[arg-type]


def integer(value: Value, default: int = 0, base: int = 10) -> int:
    number: int = check_number(theirs.do_int(value, default, base))
    return number


@pass_environment
def total(environment: Environment, value: Value, attribute: str | int | None = None, start: float = 0) -> float:
    values = steps(value)
    if attribute is not None:
        values = map(theirs.make_attrgetter(environment, attribute), values)
    result = start
    for number in values:
        if not isinstance(number, int | float) or not isinstance(result, int | float):
            raise TypeError("sum adds numbers only")
        result = check_number(result + number)
    return result


@pass_environment
def wordwrap(
    environment: Environment, value: Value, width: int = 79, break_long_words: bool = True, wrapstring: str = "\n"
) -> str:
    text = text_of(value)
    if len(text) > MAX_WRAPPED:
        raise LimitReached(f"wordwrap takes at most {MAX_WRAPPED:,} characters.")
    BUDGET.characters(len(text) * (1 + len(wrapstring)))
    return theirs.do_wordwrap(environment, text, width, break_long_words, wrapstring)


@pass_environment
def truncate(environment: Environment, value: Value, *arguments: Value, **named: Value) -> str:
    return theirs.do_truncate(environment, text_of(value), *arguments, **named)


def urlencode(value: Value) -> str:
    measure(value)
    if isinstance(value, str):
        BUDGET.characters(len(value) * 3)
    return theirs.do_urlencode(value)


def formatted(value: Value, *arguments: Value, **named: Value) -> str:
    if arguments and named:
        raise TypeError("format takes positional or named arguments, not both")
    return format_percent(text_of(value), named or arguments)


def reverse(value: Value) -> Value:
    if isinstance(value, str):
        BUDGET.characters(len(value))
        return value[::-1]
    return theirs.do_reverse(steps(value))


def dictsort(value: Value, *arguments: Value, **named: Value) -> list[tuple[Value, Value]]:
    BUDGET.spend(len(value))
    return theirs.do_dictsort(value, *arguments, **named)


def not_in(item: Value, container: Value) -> bool:
    return not contains(item, container)


def _of_text(change: Change) -> Change:
    """One of Jinja's filters over a text, once the value became one."""

    def guarded(value: Value, *arguments: Value, **named: Value) -> Any:
        text = text_of(value)
        BUDGET.characters(len(text))
        return change(text, *arguments, **named)

    return guarded


def _of_items(change: Change) -> Change:
    """One of Jinja's filters over a series; each item costs a step."""

    def guarded(value: Value, *arguments: Value, **named: Value) -> Any:
        return change(steps(value), *arguments, **named)

    return guarded


def _with(mark: Callable[[Change], Change], change: Change) -> Change:
    """The same for a filter that Jinja hands its environment or context first."""

    def guarded(first: Any, value: Value, *arguments: Value, **named: Value) -> Any:
        return change(first, steps(value), *arguments, **named)

    return mark(guarded)


def _method(name: str, *owners: type) -> Change:
    """The filter that stands for calling a method, so that no template ever holds the method itself."""

    def call(value: Value, *arguments: Value, **named: Value) -> Any:
        if isinstance(value, Undefined):
            str(value)
        if type(value) not in owners:
            raise SecurityError(f"a value of type {type(value).__name__} has no method {name}")
        if isinstance(value, str):
            BUDGET.characters(len(value))
            BUDGET.elements(len(value) >> 2 if "split" in name else 0)
        elif not isinstance(value, dict):
            BUDGET.elements(len(value))
        return getattr(type(value), name)(value, *arguments, **named)

    return call


def _check_groups(count: int) -> None:
    if count > MAX_GROUPS:
        raise LimitReached(f"batch and slice make at most {MAX_GROUPS:,} places.")


_ON_TEXT = (
    "capitalize",
    "casefold",
    "count",
    "endswith",
    "find",
    "index",
    "isalnum",
    "isalpha",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "isupper",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "rfind",
    "rindex",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
)

FILTERS: dict[str, Change] = {
    **{name: theirs.FILTERS[name] for name in ("abs", "count", "d", "default", "float", "items", "length")},
    **{name: _of_text(theirs.FILTERS[name]) for name in ("capitalize", "lower", "title", "trim", "upper", "wordcount")},
    **dict.fromkeys(("e", "escape", "forceescape"), escape),
    **dict.fromkeys(("safe", "string"), text_of),
    "batch": batch,
    "center": center,
    "dictsort": dictsort,
    "first": theirs.sync_do_first,
    "format": formatted,
    "groupby": _with(pass_environment, theirs.sync_do_groupby),
    "indent": indent,
    "int": integer,
    "join": join,
    "last": theirs.do_last,
    "list": _of_items(list),
    "map": _with(pass_context, theirs.sync_do_map),
    "max": _with(pass_environment, theirs.do_max),
    "min": _with(pass_environment, theirs.do_min),
    "reverse": reverse,
    "reject": _with(pass_context, theirs.sync_do_reject),
    "rejectattr": _with(pass_context, theirs.sync_do_rejectattr),
    "replace": replace,
    "round": round_number,
    "select": _with(pass_context, theirs.sync_do_select),
    "selectattr": _with(pass_context, theirs.sync_do_selectattr),
    "slice": slices,
    "sort": _with(pass_environment, theirs.do_sort),
    "sum": total,
    "tojson": tojson,
    "truncate": truncate,
    "unique": _with(pass_environment, theirs.sync_do_unique),
    "urlencode": urlencode,
    "wordwrap": wordwrap,
}

METHODS: dict[str, Change] = {
    **{name: _method(name, str) for name in _ON_TEXT},
    **{name: _method(name, dict) for name in ("get", "items", "keys", "values")},
    **{name: _method(name, str, list, tuple) for name in ("count", "index")},
    "join": join_method,
    "replace": replace,
}

GUARDS: dict[str, Change] = {LOOP: steps, CONCAT: concat, IN: contains, NOT_IN: not_in, PART: part}

TESTS: dict[str, Change] = {
    **cast("dict[str, Change]", THEIR_TESTS),
    "in": contains,
    "lower": lambda value: text_of(value).islower(),
    "upper": lambda value: text_of(value).isupper(),
}
for _name in ("callable", "escaped", "filter", "test"):
    del TESTS[_name]
