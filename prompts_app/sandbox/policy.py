"""Which templates are in our subset of Jinja: an allow-list over the parsed tree, before anything is compiled or run."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import nodes

from prompts_app.sandbox.environment import LOOP_FIELDS
from prompts_app.sandbox.filters import FILTERS, METHODS, TESTS

MAX_DEPTH = 100
MAX_LOOPS = 4
FUNCTIONS = frozenset({"range", "dict", "namespace"})
LOOP_METHODS = frozenset({"cycle", "changed"})
_ONLY_IN_MACROS = frozenset({"caller", "varargs", "kwargs"})
_NEVER_SET = FUNCTIONS | {"loop", "self", "super"}
_PLAIN_NODES: frozenset[type[nodes.Node]] = frozenset(
    {
        nodes.Add,
        nodes.And,
        nodes.AssignBlock,
        nodes.Compare,
        nodes.Concat,
        nodes.CondExpr,
        nodes.Dict,
        nodes.Div,
        nodes.FilterBlock,
        nodes.FloorDiv,
        nodes.Getitem,
        nodes.If,
        nodes.List,
        nodes.Mod,
        nodes.Mul,
        nodes.Neg,
        nodes.Not,
        nodes.Operand,
        nodes.Or,
        nodes.Output,
        nodes.Pair,
        nodes.Pos,
        nodes.Scope,
        nodes.Slice,
        nodes.Sub,
        nodes.Template,
        nodes.TemplateData,
        nodes.Tuple,
        nodes.With,
    }
)
_SPOKEN = {
    nodes.Pow: "the operator **",
    nodes.Include: "include (use an include tag)",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.CallBlock: "a call block",
    nodes.ScopedEvalContextModifier: "autoescape",
}


class PolicyError(Exception):
    """A construct that is not allowed; the text says which, `line` where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def check(tree: nodes.Template) -> None:
    """Raises PolicyError at the first construct outside the subset."""
    macros = {macro.name for macro in _walk(tree, nodes.Macro)}
    namespaces = {name for assign in _walk(tree, nodes.Assign) if (name := _namespace_name(assign))}
    _Checker(frozenset(macros), frozenset(namespaces)).visit(tree, _Place())


@dataclass(frozen=True)
class _Place:
    """Where in the tree the checker is."""

    depth: int = 0
    loops: int = 0
    in_macro: bool = False


class _Checker:
    """Visits each node once; macros and namespaces are known by name beforehand, so that neither can be passed on."""

    def __init__(self, macros: frozenset[str], namespaces: frozenset[str]) -> None:
        self.macros = macros
        self.namespaces = namespaces
        self.spellings = {name: name for name in _NEVER_SET | _ONLY_IN_MACROS}
        self.rules: dict[type[nodes.Node], Callable[..., _Place | None]] = {
            nodes.Assign: self._assign,
            nodes.Call: self._call,
            nodes.Const: self._const,
            nodes.Filter: self._filter,
            nodes.For: self._for,
            nodes.Getattr: self._getattr,
            nodes.Keyword: self._keyword,
            nodes.Macro: self._macro,
            nodes.NSRef: self._nsref,
            nodes.Name: self._name,
            nodes.Test: self._test,
        }

    def visit(self, node: nodes.Node, place: _Place) -> None:
        if place.depth > MAX_DEPTH:
            raise PolicyError(f"Nested deeper than {MAX_DEPTH} levels.", node.lineno)
        inside: _Place | None = place
        if type(node) in self.rules:
            inside = self.rules[type(node)](node, place)
        elif type(node) not in _PLAIN_NODES:
            spoken = _SPOKEN.get(type(node), type(node).__name__)
            raise PolicyError(f"Templates may not use {spoken}.", node.lineno)
        if inside is not None:
            self._children(node, inside)

    def _children(self, node: nodes.Node, place: _Place, *, leave_out: tuple[str, ...] = ()) -> None:
        inside = _Place(place.depth + 1, place.loops, place.in_macro)
        for child in node.iter_child_nodes(exclude=leave_out):
            self.visit(child, inside)

    def _name(self, node: nodes.Name, place: _Place) -> _Place:
        name = node.name
        self._check_name(name, node.lineno)
        if name == "self" or (place.in_macro and name in _ONLY_IN_MACROS):
            raise PolicyError(f"The name {name} is not available in templates.", node.lineno)
        if name in self.macros or name in FUNCTIONS:
            raise PolicyError(f"{name} is a function: it can only be called.", node.lineno)
        if name == "loop" or name in self.namespaces:
            raise PolicyError(f"Only fields of {name} can be used, as in {name}.field.", node.lineno)
        if node.ctx != "load" and name in _NEVER_SET:
            raise PolicyError(f"The name {name} cannot be set.", node.lineno)
        return place

    def _const(self, node: nodes.Const, place: _Place) -> None:
        if isinstance(node.value, float) and math.isinf(node.value):
            raise PolicyError("A number is too large.", node.lineno)

    def _getattr(self, node: nodes.Getattr, place: _Place) -> _Place | None:
        self._check_name(node.attr, node.lineno)
        if isinstance(node.node, nodes.Name) and (node.node.name == "loop" or node.node.name in self.namespaces):
            if node.node.name == "loop" and node.attr not in LOOP_FIELDS - LOOP_METHODS:
                raise PolicyError(f"loop has no field {node.attr}.", node.lineno)
            return None
        return place

    def _call(self, node: nodes.Call, place: _Place) -> None:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise PolicyError("Calls may not use *arguments.", node.lineno)
        callee = node.node
        if isinstance(callee, nodes.Name):
            if callee.name == "namespace":
                raise PolicyError("namespace(…) can only be set: {% set name = namespace(…) %}.", node.lineno)
            if callee.name not in self.macros and callee.name not in FUNCTIONS:
                known = "range, dict, namespace and macros of this template"
                raise PolicyError(f"{callee.name} cannot be called; only {known} can.", node.lineno)
        elif isinstance(callee, nodes.Getattr):
            self._method(callee, place)
        else:
            raise PolicyError("Only functions and methods by name can be called.", node.lineno)
        self._children(node, place, leave_out=("node",))

    def _method(self, callee: nodes.Getattr, place: _Place) -> None:
        if isinstance(callee.node, nodes.Name) and callee.node.name == "loop":
            if callee.attr not in LOOP_METHODS:
                raise PolicyError(f"loop has no method {callee.attr}.", callee.lineno)
            return
        if callee.attr not in METHODS:
            raise PolicyError(f"The method {callee.attr} is not available in templates.", callee.lineno)
        self.visit(callee.node, place)

    def _filter(self, node: nodes.Filter, place: _Place) -> _Place:
        if node.name not in FILTERS:
            raise PolicyError(f"The filter {node.name} is not available in templates.", node.lineno)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise PolicyError("Filters may not use *arguments.", node.lineno)
        by_name = {"map": (0, FILTERS), "select": (0, TESTS), "reject": (0, TESTS)}
        by_name |= {"selectattr": (1, TESTS), "rejectattr": (1, TESTS)}
        if node.name in by_name:
            position, known = by_name[node.name]
            named = node.args[position : position + 1]
            if any(not isinstance(one, nodes.Const) or one.value not in known for one in named):
                raise PolicyError(f"{node.name} needs the name of a filter or test we have.", node.lineno)
        for argument in (*node.args, *(keyword.value for keyword in node.kwargs)):
            if isinstance(argument, nodes.Const) and isinstance(argument.value, str) and "__" in argument.value:
                raise PolicyError("Names with two underscores are not available in templates.", node.lineno)
        return place

    def _test(self, node: nodes.Test, place: _Place) -> _Place:
        if node.name not in TESTS:
            raise PolicyError(f"The test {node.name} is not available in templates.", node.lineno)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise PolicyError("Tests may not use *arguments.", node.lineno)
        return place

    def _for(self, node: nodes.For, place: _Place) -> _Place:
        if node.recursive:
            raise PolicyError("Loops may not be recursive.", node.lineno)
        if place.loops >= MAX_LOOPS:
            raise PolicyError(f"Loops may be nested at most {MAX_LOOPS} deep.", node.lineno)
        return _Place(place.depth, place.loops + 1, place.in_macro)

    def _macro(self, node: nodes.Macro, place: _Place) -> None:
        self._check_name(node.name, node.lineno)
        if node.name in _NEVER_SET | _ONLY_IN_MACROS:
            raise PolicyError(f"The name {node.name} cannot be set.", node.lineno)
        self._children(node, _Place(place.depth, place.loops, in_macro=True))

    def _assign(self, node: nodes.Assign, place: _Place) -> _Place | None:
        if name := _namespace_name(node):
            self._check_name(name, node.lineno)
            call = node.node
            if isinstance(call, nodes.Call) and (call.args or call.dyn_args or call.dyn_kwargs):
                raise PolicyError("namespace takes named fields only.", node.lineno)
            self._children(node.node, place, leave_out=("node",))
            return None
        return place

    def _nsref(self, node: nodes.NSRef, place: _Place) -> None:
        self._check_name(node.attr, node.lineno)
        if node.name not in self.namespaces:
            raise PolicyError(f"{node.name} is no namespace: fields of values cannot be set.", node.lineno)

    def _keyword(self, node: nodes.Keyword, place: _Place) -> _Place:
        self._check_name(node.key, node.value.lineno)
        if node.key in _ONLY_IN_MACROS:
            raise PolicyError(f"The name {node.key} is not available in templates.", node.value.lineno)
        return place

    def _check_name(self, name: str, line: int) -> None:
        """Python takes names for the same that differ in compatible characters only, such as `ﬁ` and `fi`."""
        plain = unicodedata.normalize("NFKC", name)
        if plain.startswith("_") and name != "_":
            raise PolicyError("Names may not begin with an underscore.", line)
        if self.spellings.setdefault(plain, name) != name:
            raise PolicyError(f"{plain} is written in two ways that Python takes for one name.", line)


def _namespace_name(node: nodes.Assign) -> str:
    """`ns` of `{% set ns = namespace(…) %}`, else nothing."""
    call, target = node.node, node.target
    if isinstance(call, nodes.Call) and isinstance(call.node, nodes.Name) and call.node.name == "namespace":
        return target.name if isinstance(target, nodes.Name) and target.name not in _NEVER_SET else ""
    return ""


def _walk[N: nodes.Node](tree: nodes.Node, wanted: type[N]) -> list[N]:
    """All nodes of a type, without recursion: the tree may still be too deep for it."""
    found, todo = [], [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, wanted):
            found.append(node)
        todo.extend(node.iter_child_nodes())
    return found
