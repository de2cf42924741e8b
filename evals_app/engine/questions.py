"""From a version and a case to the request that is sent. The bytes are those a service renders from what it fetches."""

from collections.abc import Mapping
from dataclasses import dataclass

from evals_app.model_settings import ModelSettings, request_parameters
from evals_app.providers.talk import Question
from evals_app.suite_content import CaseSpec
from prompts_app.content import TemplateSource, VersionContent
from prompts_app.rendering import render_content
from prompts_app.sandbox import client as sandbox
from registry.core.canonical import JSON, digest


@dataclass(frozen=True)
class ArmSource:
    """What one arm asks with: the version's content and its effective model settings."""

    content: VersionContent
    settings: ModelSettings


def question_of(source: ArmSource, case: CaseSpec) -> Question:
    """The request for a case; raises what rendering raises (`Invalid`).

    The rendered messages come first, then the case's own history. A text is one user message; where the case brings
    messages of its own it is the system message before them.
    """
    rendered = render_content(source.content, case.variables)
    history = tuple(message.to_json() for message in case.messages)
    if rendered.messages is not None:
        messages = (*rendered.messages, *history)
    else:
        messages = ({"role": "system" if history else "user", "content": rendered.text}, *history)
    content = source.content
    parameters = request_parameters(source.settings, tools=content.tools, response_format=content.response_format)
    return Question(source.settings.model, messages, parameters)


def request_digest(provider: str, question: Question, repeat: int) -> str:
    """What makes an answer reusable: provider, full request and which repeat it is."""
    return digest({"provider": provider, "request": question.body(), "repeat": repeat})


def scorer_values(case: CaseSpec, templates: Mapping[str, str]) -> dict[str, str]:
    """Scorers' values that are templates, rendered over the case's variables and `expected`, by their keys.

    Raises what rendering raises (`Invalid`).
    """
    variables: dict[str, JSON] = {**case.variables, "expected": case.expected}
    return {
        name: sandbox.render(TemplateSource("text", text=template), variables).text or ""
        for name, template in templates.items()
    }
