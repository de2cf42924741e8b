"""Compiling and rendering inside the worker: sources in, texts out, every failure as one kind of problem with its line."""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Template
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError

from greenroom.templates.budget import BUDGET, MAX_CHARACTERS, LimitReached
from greenroom.templates.environment import MissingName, TemplateEnvironment, line_of
from greenroom.templates.policy import PolicyError, check
from greenroom.templates.rewriting import names_of, rewrite
from greenroom.templates.syntax import in_words
from greenroom.templates.turns import BadMessages, build_messages, texts_of
from greenroom.templates.values import JSON, InvalidJson, check_json, check_text

MAX_TAGS = 5_000
CACHE_ENTRIES = 512
CACHE_BYTES = 4_000_000
_TAGS = re.compile(r"\{[{%#]")
_NEWLINES = re.compile(r"\r\n|\r|\n")

ENVIRONMENT = TemplateEnvironment()


class Problem(Exception):
    """What went wrong, in words without values: `kind` is refused, limit, variables (then `variable` may name one),
    pattern or schema."""

    def __init__(self, kind: str, text: str, *, line: int | None = None, variable: str = "", code: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.line = line
        self.variable = variable
        self.code = code
        self.message: int | None = None


@dataclass(frozen=True)
class Compiled:
    """A template ready to run: `literal` when there is nothing in it to run."""

    template: Template | None
    literal: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class CompiledSource:
    """A source by its texts; `turns` are its messages as JSON, None for a text prompt."""

    texts: Mapping[str, Compiled]
    text: str
    turns: Sequence[JSON] | None


class SourceCache:
    """Compiled sources by the digest of their bytes, the least recently used go first."""

    def __init__(self) -> None:
        self.entries: OrderedDict[bytes, tuple[int, CompiledSource]] = OrderedDict()
        self.size = 0

    def get(self, source: bytes) -> CompiledSource:
        key = hashlib.sha256(source).digest()
        if key in self.entries:
            self.entries.move_to_end(key)
            return self.entries[key][1]
        compiled = compile_source(json.loads(source))
        self.entries[key] = (len(source), compiled)
        self.size += len(source)
        while len(self.entries) > 1 and (len(self.entries) > CACHE_ENTRIES or self.size > CACHE_BYTES):
            self.size -= self.entries.popitem(last=False)[1][0]
        return compiled


def compile_source(source: Mapping[str, JSON]) -> CompiledSource:
    """Raises Problem with the index of the message."""
    turns = source.get("messages")
    templates = texts_of(turns) if isinstance(turns, list) else [(str(source["text"]), None)]
    if sum(len(_TAGS.findall(text)) for text, _ in templates) > MAX_TAGS:
        raise Problem("limit", f"The template has more than {MAX_TAGS:,} tags.")
    compiled: dict[str, Compiled] = {}
    for text, index in templates:
        try:
            compiled[text] = compiled.get(text) or compile_text(text)
        except Problem as problem:
            problem.message = index
            raise
    return CompiledSource(compiled, str(source.get("text") or ""), turns if isinstance(turns, list) else None)


def compile_text(text: str) -> Compiled:
    """Parse, check, rewrite, compile; Problem for what is not in the subset."""
    if not _TAGS.search(text):
        return Compiled(None, _NEWLINES.sub("\n", text), ())
    try:
        tree = ENVIRONMENT.parse(text)
        check(tree)
        names = tuple(names_of(tree))
        rewrite(tree).set_environment(ENVIRONMENT)
        return Compiled(ENVIRONMENT.compile_tree(tree), "", names)
    except PolicyError as error:
        raise Problem("refused", str(error), line=error.line) from None
    except TemplateSyntaxError as error:
        raise Problem("refused", in_words(error.message or "The syntax is wrong."), line=error.lineno) from None
    except RecursionError:
        raise Problem("refused", "The template is nested too deep.") from None
    except (SyntaxError, TemplateError, TypeError, ValueError, OverflowError):
        raise Problem("refused", "The template cannot be compiled.") from None


def names_in(source: CompiledSource) -> list[str]:
    """The variables of all texts in order of first use."""
    return list(dict.fromkeys(name for compiled in source.texts.values() for name in compiled.names))


def render_source(source: CompiledSource, variables: dict[str, JSON]) -> JSON:
    """The text, or the list of messages. Raises Problem."""
    BUDGET.renew()
    try:
        check_json(variables)
    except InvalidJson as error:
        name = re.split(r"[.\[]", error.path, maxsplit=1)[0]
        raise Problem("variables", "A value is not acceptable JSON.", variable=name) from None
    room = MAX_CHARACTERS

    def render(text: str, index: int | None) -> str:
        nonlocal room
        try:
            result = render_text(source.texts[text], variables, room)
        except Problem as problem:
            problem.message = index
            raise
        room -= len(result)
        return result

    if source.turns is None:
        return render(source.text, None)
    try:
        return build_messages(source.turns, variables, render)
    except BadMessages as error:
        raise Problem("variables", f"{error.name} {error}.", variable=error.name, code="type") from None


def render_text(compiled: Compiled, variables: dict[str, JSON], room: int) -> str:
    """The output, at most `room` characters."""
    template, pieces, size = compiled.template, [compiled.literal], len(compiled.literal)
    try:
        for piece in template.root_render_func(template.new_context(variables)) if template else ():
            size += len(piece)
            if size > room:
                break
            pieces.append(piece)
    except Exception as error:
        raise _problem(error, line_of(template, error.__traceback__) if template else None) from None
    if size > room:
        raise Problem("limit", f"The output would have more than {MAX_CHARACTERS:,} characters.")
    result = "".join(pieces)
    try:
        check_text(result)
    except InvalidJson:
        raise Problem("refused", "The output would contain NUL or a lone surrogate.") from None
    return result


def _problem(error: Exception, line: int | None) -> Problem:
    """A failed render in words; what Python says is repeated only where it speaks of types, never of values."""
    match error:
        case UndefinedError():
            missing = error.args[0] if error.args else ""
            if isinstance(missing, MissingName) and missing.is_input:
                return Problem("variables", str(missing), line=line, variable=missing.variable, code="missing")
            return Problem("refused", f"{missing}.", line=line)
        case LimitReached() | SecurityError():
            text = str(error)
            kind = "limit" if isinstance(error, LimitReached) else "refused"
            return Problem(kind, f"{text[:1].upper()}{text[1:].rstrip('.')}.", line=line)
        case MemoryError():
            return Problem("limit", "The template needs more memory than a render gets.", line=line)
        case RecursionError() | OverflowError():
            return Problem("limit", "The template goes too deep or its numbers too far.", line=line)
        case TypeError():
            return Problem("refused", f"Values of the wrong type: {error}.", line=line)
        case _:
            return Problem("refused", f"The template failed with {type(error).__name__}.", line=line)
