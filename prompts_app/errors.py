"""Refusals of more than one place: of templates and their variables, where none ever repeats a variable's value, and of keys
that ask beyond their environment."""

from __future__ import annotations

from collections.abc import Sequence

from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid, NotFound


def another_environment(own: str) -> NotFound:
    """What a key of one environment is told of any other name, whether there is such an environment or not."""
    return NotFound("environment.not_found", f"This key is for {own}: for it there is no other environment.")


class TemplateProblem(Invalid):
    """Something a template does or meets; `line` counts from 1, `message` is the index in a chat, both may be unknown."""

    problem = ""

    def __init__(
        self,
        detail: str,
        *,
        line: int | None = None,
        message: int | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        place = {"line": line, "message": message}
        known: dict[str, JSON] = {key: value for key, value in place.items() if value is not None}
        super().__init__(self.problem, detail, errors=errors, **known)
        self.line = line
        self.message = message


class TemplateRefused(TemplateProblem):
    """The template is not in our subset of Jinja, or does what templates may not do."""

    problem = "template.refused"


class TemplateLimit(TemplateProblem):
    """The template needs more time, memory, steps or output than a render gets."""

    problem = "template.limit"


class VariablesInvalid(TemplateProblem):
    """The values do not fit the template: `errors` names each missing or mistyped variable."""

    problem = "variables.invalid"
