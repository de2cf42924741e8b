"""Members that specs of one kind may carry beyond those of every kind: declared once, read, typed and documented from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from registry.core.canonical import JSON
from registry.core.fields import Fields

if TYPE_CHECKING:
    from evals_app.scorers.protocol import ScorerSpec


@dataclass(frozen=True, slots=True)
class Option[T]:
    """One member. `schema` describes it as JSON Schema; `read` takes it from a spec; left out it is `default`."""

    name: str
    default: T
    schema: Mapping[str, JSON]
    read: Callable[[Fields], JSON]
    is_required: bool = False

    def of(self, spec: ScorerSpec) -> T:
        """Its value in a spec."""
        return cast("T", spec.options.get(self.name, self.default))


def text_option(name: str, about: str, *, most: int = 500) -> Option[str]:
    """A string that must be there."""
    schema: dict[str, JSON] = {"type": "string", "minLength": 1, "maxLength": most, "description": about}
    return Option(name, "", schema, lambda given: given.text(name, "", least=1, most=most), is_required=True)


def choice_option(name: str, about: str, choices: Sequence[str], *, default: str) -> Option[str]:
    """One of some words."""
    schema: dict[str, JSON] = {"type": "string", "enum": list(choices), "default": default, "description": about}
    return Option(name, default, schema, lambda given: given.choice(name, default, choices))


def flag_option(name: str, about: str) -> Option[bool]:
    """True or false; false when left out."""
    schema: dict[str, JSON] = {"type": "boolean", "default": False, "description": about}
    return Option(name, False, schema, lambda given: given.boolean(name, False))


def whole_option[T: int | None](
    name: str, about: str, *, default: T, least: int, most: int, is_required: bool = False
) -> Option[T]:
    """A whole number within bounds."""
    schema: dict[str, JSON] = {"type": "integer", "minimum": least, "maximum": most, "description": about}
    schema |= {} if default is None else {"default": default}
    return Option(
        name, default, schema, lambda given: given.integer(name, default, least=least, most=most), is_required
    )


def amount_option(name: str, about: str, *, most: float) -> Option[float]:
    """A number above 0 that must be there."""
    schema: dict[str, JSON] = {"type": "number", "exclusiveMinimum": 0, "maximum": most, "description": about}

    def read(given: Fields) -> JSON:
        amount = given.number(name, 1.0, least=0, most=most)
        if amount == 0:
            given.refuse(name, "range", "must be above 0")
        return amount

    return Option(name, 0.0, schema, read, is_required=True)


def number_option(name: str, about: str, *, default: float, most: float) -> Option[float]:
    """A number from 0 on."""
    schema: dict[str, JSON] = {
        "type": "number",
        "minimum": 0,
        "maximum": most,
        "default": default,
        "description": about,
    }
    return Option(name, default, schema, lambda given: given.number(name, default, least=0, most=most))


def texts_option(
    name: str, about: str, *, most: int = 50, longest: int = 500, choices: Sequence[str] | None = None
) -> Option[Sequence[str]]:
    """A list of strings, empty when left out; with `choices`, of those words only."""
    item: dict[str, JSON] = {"type": "string", "minLength": 1, "maxLength": longest}
    item |= {} if choices is None else {"enum": list(choices)}
    schema: dict[str, JSON] = {"type": "array", "maxItems": most, "items": item, "description": about}

    def read(given: Fields) -> JSON:
        values = given.items(name, most=most)
        for index, value in enumerate(values):
            if choices is not None and value not in choices:
                given.refuse(f"{name}[{index}]", "choice", "must be one of " + ", ".join(choices))
            elif not isinstance(value, str) or not 0 < len(value) <= longest:
                given.refuse(f"{name}[{index}]", "type", f"must be a string of 1 to {longest} characters")
        return values

    return Option(name, (), schema, read)


def read_options(options: Sequence[Option[Any]], given: Fields) -> dict[str, JSON]:
    """Those given, by name; mistakes go to `given`, a required one that is missing among them."""
    found: dict[str, JSON] = {}
    for option in options:
        if given.require(option.name) if option.is_required else given.has(option.name):
            found[option.name] = option.read(given)
    return found


EXACT = flag_option(
    "exact", "Blanks at the beginning and end count too, and an output that is no JSON is merely another one."
)
