"""A grammar of parsed expressions as a program for the machine: what needs no recursion becomes regular expressions."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator, Mapping
from enum import IntEnum, auto
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("grammars.json.xz")
LONGEST_PATTERN = 400
_AFTER_WORD = "(?![A-Za-z0-9_$\\x80-\uffff])"

type Node = list[Any]


class Op(IntEnum):
    """What the machine can do."""

    MATCH = auto()
    CALL = auto()
    RETURN = auto()
    CHOICE = auto()
    COMMIT = auto()
    REPEAT = auto()
    LOOKED = auto()
    KEEP = auto()
    KEPT = auto()
    WORD = auto()
    STOP = auto()
    END = auto()
    FAIL_BOTH = auto()


@cache
def program(dialect: str) -> Program | None:
    """The program of a dialect in lower case, None where there is no such dialect."""
    grammar = _grammars().get(dialect)
    return Program(grammar) if grammar is not None else None


def dialects() -> list[str]:
    """The names of those there are, in lower case."""
    return sorted(_grammars())


@cache
def _grammars() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(lzma.decompress(FILE.read_bytes()))
    return found


class Program:
    """Instructions `[op, argument, …]`. Rules that are no regular expression are called, and remembered by the machine."""

    def __init__(self, grammar: Mapping[str, Any]) -> None:
        self.code: list[list[Any]] = []
        self._rules: Mapping[str, Node] = grammar["rules"]
        self._reserved = frozenset(grammar["reserved"])
        self._recursive = _recursive(self._rules)
        self._patterns: dict[str, str | None] = {}
        self._numbers: dict[str, int] = {}
        self._waiting: list[str] = []
        self._emit(Op.CALL, self._number(grammar["start"]))
        self._emit(Op.END)
        starts: dict[int, int] = {}
        while self._waiting:
            name = self._waiting.pop()
            starts[self._numbers[name]] = len(self.code)
            self._compile(self._rules[name])
            self._emit(Op.RETURN)
        for instruction in self.code:
            if instruction[0] == Op.CALL:
                instruction.append(starts[instruction[1]])

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers)
            self._waiting.append(name)
        return self._numbers[name]

    def _emit(self, op: Op, argument: Any = None) -> int:
        self.code.append([op, argument])
        return len(self.code) - 1

    def _pattern(self, node: Node) -> str | None:
        """The node as a regular expression that never goes back, None where it is none, or too long a one."""
        kind = node[0]
        if kind == "r":
            return self._pattern_of(node[1])
        if kind == "l":
            return f"(?i:{re.escape(node[1])})" if node[2] else re.escape(node[1])
        if kind == ".":
            return "(?s:.)"
        if kind == "c":
            return _class(node)
        if kind not in "s/*+?&!":
            return None
        inner = [self._pattern(one) for one in node[1:]]
        parts = [one for one in inner if one is not None]
        if len(parts) < len(inner):
            return None
        joined = "|".join(parts) if kind == "/" else "".join(parts)
        opening = {"s": "", "/": "(?>", "&": "(?=", "!": "(?!"}.get(kind, "(?:")
        closing = {"s": "", "*": ")*+", "+": ")++", "?": ")?+"}.get(kind, ")")
        pattern = opening + joined + closing
        return pattern if len(pattern) <= LONGEST_PATTERN else None

    def _pattern_of(self, name: str) -> str | None:
        if name not in self._patterns:
            self._patterns[name] = None if name in self._recursive else self._pattern(self._rules[name])
        return self._patterns[name]

    def _compile(self, node: Node) -> None:
        pattern = self._pattern(node)
        if pattern is not None:
            self._emit(Op.MATCH, pattern)
            return
        kind = node[0]
        if kind == "r":
            self._emit(Op.CALL, self._number(node[1]))
        elif kind == "s":
            self._sequence(node[1:])
        elif kind == "/":
            self._choice(node[1:])
        elif kind == "k":
            self._emit(Op.KEEP, node[1])
            self._compile(node[2])
            self._emit(Op.KEPT)
        elif kind in "wt":
            words = frozenset(node[2]) if len(node) > 2 else self._reserved
            self._emit(Op.WORD, (self._pattern(node[1]), words, kind == "t"))
        elif kind == "f":
            names = "|".join(map(re.escape, node[1]))
            self._emit(Op.MATCH, f"(?!(?i:`(?:{names})`|(?:{names}){_AFTER_WORD}))")
        else:
            self._tried(kind, node[1])

    def _sequence(self, nodes: list[Node]) -> None:
        run = ""
        for node in nodes:
            pattern = self._pattern(node)
            if pattern is not None and len(run) + len(pattern) <= LONGEST_PATTERN:
                run += pattern
                continue
            if run:
                self._emit(Op.MATCH, run)
            run = pattern or ""
            if pattern is None:
                self._compile(node)
        if run:
            self._emit(Op.MATCH, run)

    def _choice(self, nodes: list[Node]) -> None:
        ends = []
        for node in nodes[:-1]:
            choice = self._emit(Op.CHOICE)
            self._compile(node)
            ends.append(self._emit(Op.COMMIT))
            self.code[choice][1] = len(self.code)
        self._compile(nodes[-1])
        for end in ends:
            self.code[end][1] = len(self.code)

    def _tried(self, kind: str, node: Node) -> None:
        """What is tried, and what comes of it: `?` `*` `+`, looking ahead by `&` and `!`, and `a`, after which all is over."""
        if kind == "+":
            self._compile(node)
        choice = self._emit(Op.CHOICE)
        self._compile(node)
        last = {"?": Op.COMMIT, "*": Op.REPEAT, "+": Op.REPEAT, "&": Op.LOOKED, "!": Op.FAIL_BOTH, "a": Op.STOP}[kind]
        end = self._emit(last, choice + 1)
        if kind == "&":
            self.code[choice][1] = self._emit(Op.MATCH, "(?!)")
        else:
            self.code[choice][1] = len(self.code)
        if last in {Op.COMMIT, Op.LOOKED}:
            self.code[end][1] = len(self.code)


def _recursive(rules: Mapping[str, Node]) -> set[str]:
    """Rules that lead back to themselves, or to one that does."""
    leads_to = {name: set(_named(node)) for name, node in rules.items()}
    plain: set[str] = set()
    while more := {name for name, others in leads_to.items() if name not in plain and others <= plain}:
        plain |= more
    return set(leads_to) - plain


def _named(node: Node) -> Iterator[str]:
    if node[0] == "r":
        yield node[1]
    elif node[0] not in "lcf.":
        for one in node[1:]:
            if isinstance(one, list) and one and isinstance(one[0], str):
                yield from _named(one)


def _class(node: Node) -> str:
    parts, is_other, any_case = node[1:]
    if not parts:
        return "(?s:.)" if is_other else "(?!)"
    inside = "".join(
        _literal(one) if isinstance(one, str) else f"{_literal(one[0])}-{_literal(one[1])}" for one in parts
    )
    found = f"[{'^' if is_other else ''}{inside}]"
    return f"(?i:{found})" if any_case else found


def _literal(character: str) -> str:
    return f"\\{character}" if character in "\\]^-[&~|" else character
