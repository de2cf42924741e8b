"""What `get` gives: a version, where it came from and how old that is; it renders itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from greenroom.content import Content
from greenroom.rendering import Message, render
from greenroom.templates.values import JSON

type Source = Literal["network", "memory", "stale", "disk", "file", "default"]

# Members of `config` that are parameters of a chat completion; whatever else a team keeps there is theirs.
PARAMETERS = (
    "model", "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "stop", "seed",
    "presence_penalty", "frequency_penalty", "logit_bias", "reasoning_effort", "verbosity", "tool_choice",
    "parallel_tool_calls",
)  # fmt: skip
# The openai client takes these only in `extra_body`.
EXTRA = ("top_k", "min_p")


class Prompt:
    """A prompt as it is live, or as it was pinned. `age_s`: seconds since the server last said so, 0 for a default.

    `registry_stale_s`: above 0 where the server, when it said so, may not have heard of changes for so many seconds.
    """

    __slots__ = ("_content", "age_s", "registry_stale_s", "source")

    def __init__(self, content: Content, source: Source, age_s: float, registry_stale_s: int = 0) -> None:
        self._content = content
        self.source: Source = source
        self.age_s = age_s
        self.registry_stale_s = registry_stale_s

    def __repr__(self) -> str:
        return f"<Prompt {self.name} v{self.version} from {self.source}, {self.age_s:.1f} s old>"

    @property
    def name(self) -> str:
        """Its name, folders included."""
        return self._content.name

    @property
    def version(self) -> int:
        """Its number; 0 for a default."""
        return self._content.version

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, as the server computes it; empty for a default."""
        return self._content.digest

    @property
    def revision(self) -> int | None:
        """The environment's revision at which it last changed there; None for pinned ones and defaults."""
        return self._content.revision

    @property
    def kind(self) -> str:
        """`text` or `chat`."""
        return self._content.kind

    @property
    def config(self) -> Mapping[str, JSON]:
        """Model settings, and whatever else its authors keep there."""
        return self._content.config

    @property
    def tools(self) -> Sequence[JSON] | None:
        """Tools that the model may call."""
        return self._content.tools

    @property
    def response_format(self) -> Mapping[str, JSON] | None:
        """The form that answers must have."""
        return self._content.response_format

    @property
    def variables(self) -> Mapping[str, JSON]:
        """The JSON Schema of its variables."""
        return self._content.variables

    @property
    def template(self) -> str | Sequence[JSON]:
        """What it says before rendering."""
        return self._content.text or "" if self._content.messages is None else self._content.messages

    def render(self, /, **variables: object) -> str | list[Message]:
        """A text prompt's text, a chat prompt's messages. Raises RenderError."""
        return render(self._content, variables)

    def to_text(self, /, **variables: object) -> str:
        """The text; a chat prompt's messages one below the other. Raises RenderError."""
        rendered = self.render(**variables)
        if isinstance(rendered, str):
            return rendered
        return "\n\n".join(f"{message.get('role')}: {_text_of(message.get('content'))}" for message in rendered)

    def to_messages(self, /, **variables: object) -> list[Message]:
        """The messages; a text prompt is one message of the user. Raises RenderError."""
        rendered = self.render(**variables)
        return [{"role": "user", "content": rendered}] if isinstance(rendered, str) else rendered

    def to_openai(self, /, **variables: object) -> dict[str, Any]:
        """Keyword arguments for `client.chat.completions.create` of the openai package. Raises RenderError."""
        config = self._content.config
        asked: dict[str, Any] = {name: config[name] for name in PARAMETERS if config.get(name) is not None}
        extra = {name: asked.pop(name) for name in EXTRA if name in asked}
        if extra:
            asked["extra_body"] = extra
        if self.response_format is not None:
            asked["response_format"] = dict(self.response_format)
        if self.tools:
            asked["tools"] = list(self.tools)
        else:
            asked.pop("tool_choice", None)
            asked.pop("parallel_tool_calls", None)
        return {**asked, "messages": self.to_messages(**variables)}


def _text_of(content: JSON) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)
