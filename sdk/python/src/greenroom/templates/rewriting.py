"""What a checked tree becomes before it is compiled: loops and operators that count, methods that are filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from jinja2 import nodes
from jinja2.meta import find_undeclared_variables
from jinja2.visitor import NodeTransformer

from greenroom.templates.filters import CONCAT, IN, LOOP, METHOD, NOT_IN, PART

_MEMBERSHIP = {"in": IN, "notin": NOT_IN}


def rewrite(tree: nodes.Template) -> nodes.Template:
    """The same template on guarded ground; `tree` is used up."""
    _Rewriter().visit(tree)
    return tree


def names_of(tree: nodes.Template) -> list[str]:
    """The variables a template uses and does not set itself, in order of first use."""
    undeclared = find_undeclared_variables(tree)
    return list(dict.fromkeys(name for name in _loads(tree) if name in undeclared))


class _Rewriter(NodeTransformer):
    """One method for each kind of node that is replaced; children first."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's naming
        self.generic_visit(node)
        node.iter = _guard(LOOP, cast("nodes.Expr", node.iter))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _guard(CONCAT, nodes.List(node.nodes, lineno=node.lineno))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            bounds = (node.arg.start, node.arg.stop, node.arg.step)
            return _guard(PART, node.node, *(bound or nodes.Const(None, lineno=node.lineno) for bound in bounds))
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if len(node.ops) == 1 and node.ops[0].op in _MEMBERSHIP:
            return _guard(_MEMBERSHIP[node.ops[0].op], node.expr, node.ops[0].expr)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        callee = node.node
        if isinstance(callee, nodes.Getattr) and not (
            isinstance(callee.node, nodes.Name) and callee.node.name == "loop"
        ):
            return _guard(METHOD + callee.attr, callee.node, *node.args, named=node.kwargs)
        return node


def _guard(
    name: str, value: nodes.Expr, *arguments: nodes.Expr, named: list[nodes.Keyword] | None = None
) -> nodes.Filter:
    return nodes.Filter(value, name, list(arguments), named or [], None, None, lineno=value.lineno)


def _loads(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Name) and node.ctx == "load":
        yield node.name
    for child in node.iter_child_nodes():
        yield from _loads(child)
