"""How a service uses a prompt, as code to copy: what is live in an environment, or one version for good. Pure."""

import json
from dataclasses import dataclass
from urllib.parse import quote

from registry.core.canonical import JSON
from registry.core.keys import PREFIX


@dataclass(frozen=True)
class Snippet:
    """Code under the name of what runs it; `id` is what its element on a page is called."""

    id: str
    label: str
    code: str


@dataclass(frozen=True)
class Use:
    """What is used: `version` is None for what is live in the environment; `model` is empty where none is named."""

    url: str
    environment: str
    prompt: str
    version: int | None
    variables: tuple[str, ...]
    model: str = ""


def snippets(use: Use) -> tuple[Snippet, ...]:
    """The same for a shell, the Python client, the OpenAI SDK and the Langfuse SDK; keys are named, never shown."""
    return (
        Snippet("use-curl", "curl", _curl(use)),
        Snippet("use-python", "Python", _python(use)),
        Snippet("use-openai", "OpenAI SDK", _openai(use)),
        Snippet("use-langfuse", "Langfuse SDK", _langfuse(use)),
    )


def variables_of(schema: JSON) -> tuple[str, ...]:
    """The names that a prompt's variables have, in the author's order."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return tuple(properties) if isinstance(properties, dict) else ()


def _curl(use: Use) -> str:
    base = f"{use.url}/api/v1"
    path = (
        f"{base}/environments/{use.environment}/prompts/{quote(use.prompt)}"
        if use.version is None
        else f"{base}/prompts/{quote(use.prompt)}/versions/{use.version}"
    )
    # Not indented: where the address does not fit into its line, the blanks would have one to themselves.
    return f'export GREENROOM_KEY={PREFIX}…\ncurl -H "Authorization: Bearer $GREENROOM_KEY" \\\n{path}'


def _python(use: Use) -> str:
    return (
        f"# pip install greenroom\n# GREENROOM_URL={use.url}  GREENROOM_KEY={PREFIX}…\n"
        "from greenroom import Client\n\n"
        f"prompts = Client(environment={_text(use.environment)})\n"
        f"prompt = prompts.get({_named(use)})\n"
        f"rendered = prompt.render({_given(use)})"
    )


def _openai(use: Use) -> str:
    made = f"prompt.to_openai({_given(use)})"
    arguments = f"**{made}" if use.model else '**{"model": "…", **' + made + "}"
    return (
        f"# GREENROOM_URL={use.url}  GREENROOM_KEY={PREFIX}…\n"
        "from greenroom import Client\nfrom openai import OpenAI\n\n"
        f"prompts, models = Client(environment={_text(use.environment)}), OpenAI()\n"
        f"prompt = prompts.get({_named(use)})\n"
        f"answer = models.chat.completions.create({arguments})"
    )


def _langfuse(use: Use) -> str:
    which = f"label={_text(use.environment)}" if use.version is None else f"version={use.version}"
    return (
        f"# LANGFUSE_HOST={use.url}\n# LANGFUSE_PUBLIC_KEY=pk-gr-…  LANGFUSE_SECRET_KEY=sk-gr-…\n"
        "from langfuse import Langfuse\n\n"
        f"prompt = Langfuse().get_prompt({_text(use.prompt)}, {which})\n"
        f"compiled = prompt.compile({_given(use)})"
    )


def _named(use: Use) -> str:
    return _text(use.prompt) if use.version is None else f"{_text(use.prompt)}, version={use.version}"


def _given(use: Use) -> str:
    """Each variable as an argument, those that are no identifiers in an object."""
    if all(name.isidentifier() for name in use.variables):
        return ", ".join(f"{name}=…" for name in use.variables)
    return "**{" + ", ".join(f"{_text(name)}: …" for name in use.variables) + "}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
