"""A version with values for its variables: the same bytes as the server's own preview, evaluation and render endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from greenroom.content import Content
from greenroom.contract import as_json, hold_contract
from greenroom.errors import RenderError
from greenroom.templates.budget import MAX_CHARACTERS
from greenroom.templates.plain import plain_names, render_plain
from greenroom.templates.rendering import Problem, render_source
from greenroom.templates.turns import BadMessages, build_messages, texts_of
from greenroom.templates.values import JSON, InvalidJson, check_json

type Message = dict[str, JSON]


def render(content: Content, variables: Mapping[str, object]) -> str | list[Message]:
    """The text, or the messages; raises RenderError. Values that the contract does not declare are ignored."""
    values = as_json(variables)
    hold_contract(content.variables, values)
    if content.template_format == "plain":
        return _render_plain(content, values)
    try:
        return cast("str | list[Message]", render_source(content.compiled(), values))
    except Problem as problem:
        named = (problem.variable,) if problem.variable else ()
        raise RenderError(
            problem.kind, problem.text, line=problem.line, message=problem.message, variables=named
        ) from None


def _render_plain(content: Content, values: Mapping[str, JSON]) -> str | list[Message]:
    room = MAX_CHARACTERS
    templates = [(content.text or "", 0)] if content.messages is None else texts_of(content.messages)
    missing = [name for name in plain_names(text for text, _ in templates) if name not in values]
    if missing:
        raise RenderError("variables", f"Missing variables: {', '.join(missing)}.", variables=missing)
    try:
        check_json(dict(values))
    except InvalidJson as error:
        raise RenderError("variables", f"The variables: {error.message}") from None

    def text(source: str, index: int | None) -> str:
        nonlocal room
        result = render_plain(source, values, room)
        if result is None:
            raise RenderError("limit", f"The output would have more than {MAX_CHARACTERS:,} characters.", message=index)
        room -= len(result)
        return result

    if content.messages is None:
        return text(content.text or "", None)
    try:
        return cast("list[Message]", build_messages(content.messages, values, text))
    except BadMessages as error:
        raise RenderError("variables", f"{error.name} {error}.", variables=(error.name,)) from None
