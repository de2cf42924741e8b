"""Runs the program of a grammar over a text: no recursion, each rule tried once at each place, and a limit of steps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from evals_app.scorers.sql.grammar import Op, Program

MOST_STEPS = 500_000
_ALTERNATIVE, _KEEPING = -1, -2


class TooMuchError(Exception):
    """The text takes more steps than anybody's SQL."""


class RefusedError(Exception):
    """The grammar gives up altogether, whatever else might fit: at a reserved word as an alias, say."""


@dataclass(frozen=True, slots=True)
class Found:
    """A part of the text that the grammar keeps, by its name, and what was kept in it."""

    name: str
    start: int
    end: int
    inside: tuple[Found, ...]


@dataclass(slots=True)
class _State:
    """Where it is in the text and in the program, what it goes back to, what it keeps, and what it knows of each rule."""

    text: str
    at: int = 0
    step: int = 0
    stack: list[tuple[Any, ...]] = field(default_factory=list)
    kept: list[Found] = field(default_factory=list)
    known: dict[tuple[int, int], tuple[int, tuple[Found, ...]] | None] = field(default_factory=dict)


def run(program: Program, text: str, *, most_steps: int = MOST_STEPS) -> tuple[Found, ...] | None:
    """What is kept of a text that fits as a whole, None where it does not; raises TooMuchError."""
    state, code = _State(text), program.code
    for _ in range(most_steps):
        instruction = code[state.step]
        op = instruction[0]
        if op == Op.MATCH:
            if instruction[1].__class__ is str:
                instruction[1] = re.compile(instruction[1]).match
            match = instruction[1](text, state.at)
            if match is not None:
                state.at = match.end()
                state.step += 1
                continue
        elif op == Op.CHOICE:
            state.stack.append((_ALTERNATIVE, instruction[1], state.at, len(state.kept)))
            state.step += 1
            continue
        elif op == Op.END:
            return tuple(state.kept) if state.at == len(text) else None
        else:
            try:
                if _moved(state, instruction):
                    continue
            except RefusedError:
                return None
        if not _went_back(state):
            return None
    raise TooMuchError


def _went_back(state: _State) -> bool:
    """To the last alternative; whatever was called since did not fit where it was called."""
    while state.stack:
        entry = state.stack.pop()
        if entry[0] == _ALTERNATIVE:
            _, state.step, state.at, kept = entry
            del state.kept[kept:]
            return True
        if entry[0] != _KEEPING:
            state.known[entry[1]] = None
    return False


def _moved(state: _State, instruction: list[Any]) -> bool:
    """Does one of the rarer instructions; False where the text does not fit."""
    op, argument = instruction[:2]
    if op == Op.CALL:
        return _called(state, (argument, state.at), instruction[2])
    if op == Op.RETURN:
        state.step, key, kept = state.stack.pop()
        state.known[key] = (state.at, tuple(state.kept[kept:]))
    elif op == Op.COMMIT:
        state.stack.pop()
        state.step = argument
    elif op == Op.REPEAT:
        _, after, was, _ = state.stack.pop()
        if was == state.at:
            state.step = after
        else:
            state.stack.append((_ALTERNATIVE, after, state.at, len(state.kept)))
            state.step = argument
    elif op == Op.KEEP:
        state.stack.append((_KEEPING, argument, state.at, len(state.kept)))
        state.step += 1
    elif op == Op.KEPT:
        _, name, start, kept = state.stack.pop()
        state.kept[kept:] = [Found(name, start, state.at, tuple(state.kept[kept:]))]
        state.step += 1
    elif op == Op.WORD:
        return _is_free(state, instruction)
    elif op == Op.LOOKED:
        _, _, state.at, kept = state.stack.pop()
        del state.kept[kept:]
        state.step = argument
    elif op == Op.STOP:
        raise RefusedError
    else:
        state.stack.pop()
        return False
    return True


def _called(state: _State, key: tuple[int, int], start: int) -> bool:
    if key not in state.known:
        state.stack.append((state.step + 1, key, len(state.kept)))
        state.step = start
        return True
    known = state.known[key]
    if known is None:
        return False
    state.at = known[0]
    state.kept.extend(known[1])
    state.step += 1
    return True


def _is_free(state: _State, instruction: list[Any]) -> bool:
    """Whether there is a word that is not reserved; raises RefusedError where one that is ends everything."""
    pattern, words, ends_all = instruction[1]
    if pattern.__class__ is str:
        pattern = re.compile(pattern).match
        instruction[1] = (pattern, words, ends_all)
    match = pattern(state.text, state.at)
    if match is None:
        return False
    if match[0].upper() in words:
        if ends_all:
            raise RefusedError
        return False
    state.at = match.end()
    state.step += 1
    return True
