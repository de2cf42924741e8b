"""The one environment all templates are compiled in: one set of options, attributes are data, folding off."""

from __future__ import annotations

from types import CodeType, TracebackType
from typing import Any, Self

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import _GroupTuple
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing, pass_context

from greenroom.templates.budget import BUDGET
from greenroom.templates.filters import FILTERS, GUARDS, METHOD, METHODS, TESTS
from greenroom.templates.guards import OPERATORS, Value, make_dict, make_range, text_of

LOOP_FIELDS = frozenset(
    {
        "changed",
        "cycle",
        "depth",
        "depth0",
        "first",
        "index",
        "index0",
        "last",
        "length",
        "nextitem",
        "previtem",
        "revindex",
        "revindex0",
    }
)
GROUP = _GroupTuple
GROUP_FIELDS = frozenset({"grouper", "list"})


class MissingName(str):
    """What an undefined value says of itself; `variable` is the name if it is one of the template's variables, and
    `is_input` says whether other values would help."""

    __slots__ = ("is_input", "variable")
    variable: str
    is_input: bool

    def __new__(cls, text: str, variable: str = "", *, is_input: bool = False) -> Self:
        made = super().__new__(cls, text)
        made.variable = variable
        made.is_input = is_input
        return made


class NamedUndefined(StrictUndefined):
    """Refuses all use and says what is missing, never what it was looked for in."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name if isinstance(self._undefined_name, str) else ""
        if self._undefined_hint:
            return MissingName(self._undefined_hint)
        if self._undefined_obj is missing:
            return MissingName(f"The variable {name} is missing.", name, is_input=True)
        return MissingName(f"A value has no field {name}." if name else "A value has no such element.", is_input=True)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with Greenroom's options; templates come in as checked and rewritten trees."""

    intercepted_binops = frozenset(OPERATORS)

    def __init__(self) -> None:
        super().__init__(
            autoescape=False,
            undefined=NamedUndefined,
            keep_trailing_newline=True,
            trim_blocks=False,
            lstrip_blocks=False,
            newline_sequence="\n",
            optimized=False,
            finalize=write_out,
            cache_size=0,
        )
        self.filters = FILTERS | GUARDS | {METHOD + name: call for name, call in METHODS.items()}
        self.tests = dict(TESTS)
        self.globals = {"range": make_range, "dict": make_dict, "namespace": Namespace}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of an object, of a loop or of a group; what Python knows under that name is refused."""
        kind = type(obj)
        if kind is dict:
            if attribute in obj:
                return obj[attribute]
        elif kind is Namespace or (kind is LoopContext and attribute in LOOP_FIELDS):
            return super().getattr(obj, attribute)
        elif isinstance(obj, Undefined) or (kind is GROUP and attribute in GROUP_FIELDS):
            return getattr(obj, attribute)
        if hasattr(kind, attribute):
            raise SecurityError(f".{attribute} is a method: call it, or use a filter")
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An element of a list, a text or an object."""
        if isinstance(obj, Undefined):
            return obj[argument]
        if not isinstance(obj, dict | list | tuple | str | range):
            raise TypeError(f"a value of type {type(obj).__name__} has no elements to pick")
        if isinstance(argument, str) and type(obj) is not dict:
            if hasattr(obj, argument) and not (type(obj) is GROUP and argument in GROUP_FIELDS):
                raise SecurityError("what Python knows of a value cannot be picked from it")
            return getattr(obj, argument, self.undefined(obj=obj))
        try:
            return obj[argument]
        except LookupError:
            return self.undefined(obj=obj)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - Jinja's names, free for keywords
        """Every call costs a step."""
        BUDGET.spend(1)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return OPERATORS[operator](left, right)

    def compile_tree(self, tree: nodes.Template) -> Template:
        code: CodeType = self.compile(tree, filename="<template>")
        return Template.from_code(self, code, self.make_globals(None))


@pass_context
def write_out(context: Context, value: Value) -> str:
    """What is printed for a value. It asks for the context only so that Jinja does not fold constants."""
    text = text_of(value)
    BUDGET.characters(len(text))
    return text


def line_of(template: Template, traceback: TracebackType | None) -> int | None:
    """The template's line an error came from: the innermost frame of the compiled template."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line
