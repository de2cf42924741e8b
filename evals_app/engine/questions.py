"""From a version and a case to the request that is sent. The bytes are those a service renders from what it fetches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evals_app.model_settings import ModelSettings, request_parameters
from evals_app.providers.talk import Question
from evals_app.suite_content import CaseSpec
from prompts_app.content import TemplateSource, VersionContent
from prompts_app.rendering import render_contents
from prompts_app.sandbox import client as sandbox
from prompts_app.sandbox.client import Rendered
from registry.core.canonical import JSON, digest
from registry.core.errors import Invalid


@dataclass(frozen=True)
class ArmSource:
    """What one arm asks with: the version's content and its effective model settings."""

    content: VersionContent
    settings: ModelSettings


def questions_of(source: ArmSource, cases: Sequence[CaseSpec]) -> list[Question | Invalid]:
    """The request for each of the first cases, at least one, or why it cannot be rendered.

    The rendered messages come first, then the case's own history. A text is one user message; where the case brings
    messages of its own it is the system message before them.
    """
    content = source.content
    parameters = request_parameters(source.settings, tools=content.tools, response_format=content.response_format)
    rendered = render_contents(content, [case.variables for case in cases])
    return [
        one if isinstance(one, Invalid) else Question(source.settings.model, _messages(one, case), parameters)
        for one, case in zip(rendered, cases, strict=False)
    ]


def request_digest(provider: str, question: Question, repeat: int) -> str:
    """What makes an answer reusable: provider, full request and which repeat it is."""
    return digest({"provider": provider, "request": question.body(), "repeat": repeat})


def scorer_values(
    cases: Sequence[CaseSpec], templates: Sequence[Mapping[str, str]], *, heartbeat: Callable[[], None] = lambda: None
) -> list[dict[str, str] | Invalid]:
    """Scorers' values that are templates, rendered over each case's variables and `expected`, by their keys.

    `templates` holds those of each case. The first value of a case that cannot be rendered stands for all of them.
    """
    found: list[dict[str, str] | Invalid] = [{} for _ in cases]
    users: dict[str, list[tuple[int, str]]] = {}
    for index, by_name in enumerate(templates):
        for name, template in by_name.items():
            users.setdefault(template, []).append((index, name))
    for template, places in users.items():
        values = [{**cases[index].variables, "expected": cases[index].expected} for index, _ in places]
        results: list[Rendered | Invalid] = []
        while len(results) < len(values):
            heartbeat()
            results += sandbox.render_many(TemplateSource("text", text=template), values[len(results) :])
        for (index, name), result in zip(places, results, strict=True):
            known = found[index]
            if isinstance(result, Invalid):
                found[index] = result if not isinstance(known, Invalid) else known
            elif not isinstance(known, Invalid):
                known[name] = result.text or ""
    return found


def _messages(rendered: Rendered, case: CaseSpec) -> tuple[Mapping[str, JSON], ...]:
    history = tuple(message.to_json() for message in case.messages)
    if rendered.messages is not None:
        return (*rendered.messages, *history)
    return ({"role": "system" if history else "user", "content": rendered.text}, *history)
