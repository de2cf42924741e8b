"""What is wrong with what somebody typed in the editor, and where."""

import re
from dataclasses import dataclass

from registry.core.errors import FieldError, RegistryError

# How the sandbox begins a detail whose place it knows.
PLACE = re.compile(r"^(messages\[\d+\](, )?)?(line \d+)?: ")


@dataclass(frozen=True)
class Problem:
    """Something that was refused: in which card (None: elsewhere), in which field, at which line (None: unknown)."""

    text: str
    card: int | None = None
    field: str = ""
    line: int | None = None

    @property
    def at(self) -> int | None:
        """The card that it is told at, 0 for the one text of a text prompt; None for what is in no text."""
        if self.card is None and (self.line is not None or self.field == "text"):
            return 0
        return self.card

    @property
    def place(self) -> str:
        """Where it is, in words that start a line; empty where that is not known."""
        parts = [f"message {self.card + 1}" if self.card is not None else "", f"line {self.line}" if self.line else ""]
        words = ", ".join(part for part in (self.field.replace("_", " "), *parts) if part)
        return f"{words[:1].upper()}{words[1:]}: " if words else ""


def problems_of(error: RegistryError) -> tuple[Problem, ...]:
    """A refusal as what is wrong where; never empty. The place is told apart from the text, which does not repeat it."""
    line, card = error.extra.get("line"), error.extra.get("message")
    found = [_problem(one) for one in error.errors]
    if isinstance(line, int) or isinstance(card, int) or not found:
        text = PLACE.sub("", error.detail)
        at_card, at_line = card if isinstance(card, int) else None, line if isinstance(line, int) else None
        found.insert(0, Problem(f"{text[:1].upper()}{text[1:]}", at_card, line=at_line))
    return tuple(found)


def _problem(error: FieldError) -> Problem:
    place = re.match(r"messages\[(\d+)\]", error.field)
    top = re.match(r"\w+", error.field)
    name = top[0] if top and not place else ""
    where = "" if place or error.field in (name, "") else f"{error.field} "
    return Problem(f"{where}{error.message}", int(place[1]) if place else None, name)
