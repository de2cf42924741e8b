"""The values of a promptfoo configuration: as texts, and put into each other, within the room that one file has."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from registry.core.canonical import JSON

SIMPLE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")


def script_text(value: JSON) -> str:
    """A value as JavaScript writes it into a text: `true`, `5` for 5.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class TooMuchError(ValueError):
    """The values of all cases together are more than anybody would write."""


@dataclass
class Room:
    """How many values, and characters in them, the cases of one file may have together: each case has each of its variables."""

    values: int = 1_000_000
    characters: int = 10_000_000

    def take(self, text: str = "") -> None:
        """One value less; raises TooMuchError where there is no room."""
        self.values -= 1
        self.characters -= len(text)
        if self.values < 0 or self.characters < 0:
            raise TooMuchError


def substituted(value: JSON, variables: Mapping[str, JSON], room: Room) -> JSON:
    """A value whose texts hold `{{ name }}` of other variables, with those put in once, as promptfoo does before asking."""
    if isinstance(value, dict):
        return {name: substituted(one, variables, room) for name, one in value.items()}
    if isinstance(value, list):
        return [substituted(one, variables, room) for one in value]
    room.take(value if isinstance(value, str) else "")
    if not isinstance(value, str) or "{{" not in value:
        return value
    texts: dict[str, str] = {}

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name not in variables:
            return match[0]
        text = texts[name] if name in texts else texts.setdefault(name, script_text(variables[name]))
        room.take(text)
        return text

    return SIMPLE.sub(put, value)
