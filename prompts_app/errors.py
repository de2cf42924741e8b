"""Refusals of templates and their variables; none of them ever repeats a variable's value."""

from __future__ import annotations

from collections.abc import Sequence

from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid


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
