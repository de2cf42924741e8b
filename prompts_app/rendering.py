"""Rendering a version: one way for preview, service, evaluation and everybody else, so that all get the same bytes."""

from collections.abc import Mapping

from prompts_app.content import VersionContent
from prompts_app.sandbox import client as sandbox
from prompts_app.sandbox.client import Rendered
from registry.core.canonical import JSON


def render_content(content: VersionContent, variables: Mapping[str, JSON]) -> Rendered:
    """The version with these values; what its schema does not declare is ignored.

    Raises VariablesInvalid naming each missing or mistyped variable, TemplateRefused or TemplateLimit.
    """
    sandbox.validate_variables(content.variables or {}, variables)
    return sandbox.render(content.source, variables)
