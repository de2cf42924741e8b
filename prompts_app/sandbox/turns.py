"""From the messages of a source to the messages of a request, whatever renders their texts. Light: no Jinja, no Django."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from registry.core.canonical import JSON

MAX_REPEATED = 4_000_000

type RenderText = Callable[[str, int], str]  # (template, index of its message) -> text


class BadMessages(Exception):
    """What is wrong with the value of a placeholder; `name` is the placeholder's."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


def build_messages(turns: Sequence[JSON], variables: Mapping[str, JSON], render: RenderText) -> list[JSON]:
    """The messages in order: texts and text parts rendered, other parts as they are, placeholders filled as given.

    Raises BadMessages, also where one placeholder in many places would make much of little.
    """
    built: list[JSON] = []
    sizes: dict[str, int] = {}
    again = 0
    for index, turn in enumerate(turns):
        if not isinstance(turn, dict):
            continue
        if turn.get("type") == "placeholder":
            name = str(turn["name"])
            filling = _filling(name, variables)
            if name in sizes:
                sizes[name] = sizes[name] or len(json.dumps(filling))
                again += sizes[name]
                if again > MAX_REPEATED:
                    raise BadMessages(name, f"is inserted so often that it makes more than {MAX_REPEATED:,} characters")
            sizes.setdefault(name, 0)
            built.extend(filling)
            continue
        content = turn["content"]
        if isinstance(content, list):
            parts: list[JSON] = [_part(part, index, render) for part in content]
            built.append({"role": turn["role"], "content": parts})
        else:
            built.append({"role": turn["role"], "content": render(str(content), index)})
    return built


def texts_of(turns: Sequence[JSON]) -> list[tuple[str, int]]:
    """Every template among the messages with the index of its message, in reading order."""
    found: list[tuple[str, int]] = []

    def note(text: str, index: int) -> str:
        found.append((text, index))
        return text

    build_messages(turns, {}, note)
    return found


def _part(part: JSON, index: int, render: RenderText) -> JSON:
    if isinstance(part, dict) and part.get("type") == "text":
        return {**part, "text": render(str(part["text"]), index)}
    return part


def _filling(name: str, variables: Mapping[str, JSON]) -> list[JSON]:
    messages = variables.get(name)
    if messages is None:
        return []
    if not isinstance(messages, list) or not all(isinstance(one, dict) and "role" in one for one in messages):
        raise BadMessages(name, "must be a list of messages, each an object with a role")
    return messages
