"""Rendering a version: one way for preview, service, evaluation and everybody else, so that all get the same bytes."""

from collections import deque
from collections.abc import Mapping, Sequence

from prompts_app.content import VersionContent
from prompts_app.sandbox import client as sandbox
from prompts_app.sandbox.client import Rendered
from registry.core.canonical import JSON
from registry.core.errors import Invalid


def render_content(content: VersionContent, variables: Mapping[str, JSON]) -> Rendered:
    """The version with these values; what its schema does not declare is ignored.

    Raises VariablesInvalid naming each missing or mistyped variable, TemplateRefused or TemplateLimit.
    """
    sandbox.validate_variables(content.variables or {}, variables)
    return sandbox.render(content.source, variables)


def render_contents(content: VersionContent, values: Sequence[Mapping[str, JSON]]) -> list[Rendered | Invalid]:
    """The version with each of these values, as `render_content` gives or refuses it; much cheaper than one by one.

    Ends early, but never before the first, once a second is over or one has run into the limits of a render.
    """
    refusals = [_refusal(content, variables) for variables in values]
    good = [variables for variables, refused in zip(values, refusals, strict=True) if refused is None]
    rendered = deque(sandbox.render_many(content.source, good))
    found: list[Rendered | Invalid] = []
    for refused in refusals:
        if refused is None and not rendered:
            break
        found.append(refused or rendered.popleft())
    return found


def _refusal(content: VersionContent, variables: Mapping[str, JSON]) -> Invalid | None:
    try:
        sandbox.validate_variables(content.variables or {}, variables)
    except Invalid as refused:
        return refused
    return None
