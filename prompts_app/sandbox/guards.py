"""Operators, conversions and loops of templates, each checking sizes before it allocates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import Undefined

from prompts_app.sandbox.budget import BUDGET, MAX_CHARACTERS, MAX_NUMBER_BITS, LimitReached

MAX_RANGE = 100_000
_CONVERSION = re.compile(
    r"%(?:\((?P<key>[^()]*+)\))?+[#0 +-]*+(?P<width>\*|\d*+)(?:\.(?P<precision>\*|\d*+))?[hlL]?(?P<type>.?)", re.DOTALL
)

type Value = Any  # whatever a template computes: JSON values, tuples, iterators, undefined ones


def text_of(value: Value) -> str:
    """What a value looks like in the output, as Python writes it; internal objects have no looks and are refused."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind in {int, float, bool} or value is None or isinstance(value, Undefined):
        return str(value)
    measure(value)
    return str(value)


def measure(value: Value) -> int:
    """Walks a value before it is written out: only data, at most so many characters, and its elements cost steps.

    Gives about how many characters it will have.
    """
    todo, characters, elements = [value], 0, 0
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is str:
            characters += len(node) + 4
        elif kind is dict:
            todo += [*node.keys(), *node.values()]
            elements += 2 * len(node)
        elif kind is list or isinstance(node, tuple):
            todo += node
            elements += len(node)
        elif isinstance(node, Undefined):
            str(node)
        elif node is None or kind in {int, float, bool}:
            characters += 6
        else:
            raise SecurityError(f"a value of type {kind.__name__} cannot be written out")
        if characters + 2 * elements > MAX_CHARACTERS:
            raise LimitReached(f"A value would have more than {MAX_CHARACTERS:,} characters.")
    BUDGET.characters(characters)
    BUDGET.elements(elements)
    return characters + 2 * elements


def steps(value: Value) -> Iterable[Value]:
    """`value` for a loop to walk: what has a length is paid for at once, the rest while it comes."""
    if isinstance(value, str | list | tuple | dict | range):
        BUDGET.spend(len(value))
        return value
    return _counted(iter(value))


def _counted(values: Iterator[Value]) -> Iterator[Value]:
    for value in values:
        BUDGET.spend(1)
        yield value


def concat(values: list[Value]) -> str:
    """The operator `~`."""
    pieces = [text_of(value) for value in values]
    BUDGET.characters(sum(map(len, pieces)))
    return "".join(pieces)


def part(value: Value, start: int | None, stop: int | None, step: int | None) -> Value:
    """The slice `value[start:stop:step]` of a text or a list."""
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, str | list | tuple | range):
        raise TypeError(f"a value of type {type(value).__name__} cannot be sliced")
    if isinstance(value, str):
        BUDGET.characters(len(value))
    else:
        BUDGET.elements(len(value))
    return value[start:stop:step]


def contains(item: Value, container: Value) -> bool:
    """The operator `in`."""
    if isinstance(container, str):
        BUDGET.characters(len(container))
    elif isinstance(container, list | tuple | range):
        BUDGET.elements(len(container))
    elif isinstance(container, Iterator):
        container = _counted(container)
    return item in container


def add(left: Value, right: Value) -> Value:
    if isinstance(left, str) and isinstance(right, str):
        BUDGET.characters(len(left) + len(right))
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
        BUDGET.elements(len(left) + len(right))
    return check_number(left + right)


def subtract(left: Value, right: Value) -> Value:
    """Numbers only: Python would make a set of the keys of objects, whose order differs between processes."""
    if not isinstance(left, int | float | Undefined) or not isinstance(right, int | float | Undefined):
        raise TypeError("only numbers can be subtracted")
    return check_number(left - right)


def multiply(left: Value, right: Value) -> Value:
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str) and isinstance(times, int):
            BUDGET.characters(len(sequence) * max(times, 0))
        elif isinstance(sequence, list | tuple) and isinstance(times, int):
            BUDGET.elements(len(sequence) * max(times, 0))
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length() - 1)
    return left * right


def modulo(left: Value, right: Value) -> Value:
    if isinstance(left, str):
        return format_percent(left, right)
    return left % right


def format_percent(template: str, arguments: Value) -> str:
    """Python's `%` on a text, with widths and precisions of at most four digits and only data as arguments."""
    size, keys = len(template), list[str]()
    for match in _CONVERSION.finditer(template):
        widths = [width for width in match.group("width", "precision") if width]
        if any(width == "*" or len(width) > 4 for width in widths):
            raise LimitReached("A width in a format is larger than 9,999.")
        if match["type"] == "(":
            raise SecurityError("a key in a format cannot have brackets in it")
        size += sum(map(int, widths))
        if match["key"] is not None:
            keys.append(match["key"])
    BUDGET.characters(size)
    measure(arguments)
    if isinstance(arguments, dict):
        sizes = {key: measure(arguments.get(key)) for key in set(keys)}
        BUDGET.characters(size + sum(sizes[key] for key in keys))
    result: str = template % arguments
    BUDGET.characters(len(result))
    return result


def make_range(*bounds: int) -> range:
    """`range` of at most 100,000 numbers."""
    values = range(*bounds)
    if values and (values[-1] - values[0]) // values.step >= MAX_RANGE:
        raise LimitReached(f"A range has more than {MAX_RANGE:,} numbers.")
    return values


def make_dict(*pairs: Value, **named: Value) -> dict[Value, Value]:
    """`dict`, its elements paid for."""
    for one in pairs:
        BUDGET.elements(len(one))
    return dict(*pairs, **named)


def check_number(value: Value) -> Value:
    """`value` itself, unless it is a whole number of more than 256 bits."""
    if isinstance(value, int):
        _check_bits(value.bit_length())
    return value


def _check_bits(bits: int) -> None:
    if bits > MAX_NUMBER_BITS:
        raise LimitReached(f"A number would have more than {MAX_NUMBER_BITS} bits.")


OPERATORS: dict[str, Callable[[Value, Value], Value]] = {"+": add, "-": subtract, "*": multiply, "%": modulo}
