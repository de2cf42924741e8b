"""What a version is made of: plain values, read from JSON, written back in the author's order, and hashed.

Nothing here is stripped, folded or normalised: what comes in goes out byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from registry.core.canonical import JSON, InvalidJson, check_json, digest, is_storable
from registry.core.errors import FieldError, Invalid
from registry.core.fields import Fields, refuse_mistakes

KINDS = ("text", "chat")
TEMPLATE_FORMATS = ("jinja", "plain")
CONTENT_FIELDS = (
    "text",
    "messages",
    "template_format",
    "variables",
    "config",
    "tools",
    "response_format",
)
RESERVED_SEGMENTS = frozenset(
    {
        "versions",
        "digests",
        "diff",
        "drafts",
        "checks",
        "promotions",
        "deployments",
        "render",
        "rollback",
        "withdraw",
        "live",
    }
)
MAX_NAME = 255
MAX_TEMPLATE_BYTES = 2_000_000
MAX_MESSAGES = 1_000
ROLE = re.compile(r"[a-z][a-z0-9_-]{0,63}")
PLACEHOLDER_NAME = re.compile(r"\w{1,100}")
_FORBIDDEN_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029|]")


@dataclass(frozen=True)
class Message:
    """One turn; `content` is a text, or a tuple of parts as given (JSON objects whose text parts are templates)."""

    role: str
    content: str | tuple[JSON, ...]

    def to_json(self) -> dict[str, JSON]:
        return {"role": self.role, "content": self.content if isinstance(self.content, str) else list(self.content)}


@dataclass(frozen=True)
class Placeholder:
    """Where the caller's own list of messages goes: nothing when absent, never a required variable."""

    name: str

    def to_json(self) -> dict[str, JSON]:
        return {"type": "placeholder", "name": self.name}


@dataclass(frozen=True)
class TemplateSource:
    """What is rendered: `text` for kind "text", `messages` for kind "chat"; the other one is None."""

    kind: str
    template_format: str = "jinja"
    text: str | None = None
    messages: tuple[Message | Placeholder, ...] | None = None

    def to_json(self) -> dict[str, JSON]:
        """`template_format`, then `text` or `messages`: the form the API speaks."""
        if self.messages is not None:
            return {"template_format": self.template_format, "messages": [turn.to_json() for turn in self.messages]}
        return {"template_format": self.template_format, "text": self.text}


@dataclass(frozen=True)
class IncludePin:
    """What an include tag stood for when the version was saved."""

    name: str
    version: int
    digest: str

    def to_json(self) -> dict[str, JSON]:
        return {"name": self.name, "version": self.version, "digest": self.digest}


@dataclass(frozen=True)
class VersionContent:
    """Everything a version's digest covers. `variables` is a JSON Schema, None as long as it has not been worked out."""

    source: TemplateSource
    variables: dict[str, JSON] | None = None
    config: dict[str, JSON] = field(default_factory=dict)
    tools: list[JSON] | None = None
    response_format: dict[str, JSON] | None = None
    includes: tuple[IncludePin, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        """The fields of the API in its order, keys inside as the author wrote them."""
        return {
            **self.source.to_json(),
            "variables": self.variables,
            "config": self.config,
            "tools": self.tools,
            "response_format": self.response_format,
            "includes": [pin.to_json() for pin in self.includes],
        }


def content_digest(content: VersionContent) -> str:
    """SHA-256 over the canonical JSON of `to_json()`, each include by its digest alone.

    Taken of what is served (text expanded, variables worked out), so that a client can verify it from what it fetched.
    """
    return digest({**content.to_json(), "includes": [pin.digest for pin in content.includes]})


def parse_content(kind: str, data: JSON) -> VersionContent:
    """The content fields (`CONTENT_FIELDS`) of an API body; whoever calls has taken the others out.

    Raises Invalid `content.invalid` naming every mistake by path, such as `messages[2].role`. Include tags are left as
    they are, and `variables` is only known to be an object: `effective_schema` looks inside.
    """
    errors: list[FieldError] = []
    fields = Fields(data, errors)
    source = _source(kind, fields)
    content = VersionContent(
        source=source,
        variables=_object(fields, "variables"),
        config=_object(fields, "config") or {},
        tools=_tools(fields),
        response_format=_object(fields, "response_format"),
    )
    fields.close()
    refuse_mistakes("content.invalid", "The content of the version is not acceptable.", errors)
    return content


def load_content(kind: str, stored: dict[str, JSON]) -> VersionContent:
    """What `VersionContent.to_json()` wrote, read again: includes too."""
    content = parse_content(kind, {key: value for key, value in stored.items() if key != "includes"})
    pins = cast("list[dict[str, str | int]]", stored.get("includes") or [])
    includes = tuple(IncludePin(str(pin["name"]), int(pin["version"]), str(pin["digest"])) for pin in pins)
    return replace(content, includes=includes)


def parse_source(kind: str, data: JSON) -> TemplateSource:
    """Only the template of a body: `text` or `messages` and `template_format`. Raises as `parse_content`."""
    errors: list[FieldError] = []
    fields = Fields(data, errors)
    source = _source(kind, fields)
    fields.close()
    refuse_mistakes("content.invalid", "The template is not acceptable.", errors)
    return source


def check_prompt_name(name: str) -> str:
    """The name itself, or Invalid `prompt.name` saying what is wrong with it."""
    segments = name.split("/")
    problem = ""
    if not 1 <= len(name) <= MAX_NAME:
        problem = f"must have between 1 and {MAX_NAME} characters"
    elif _FORBIDDEN_IN_NAMES.search(name) or not is_storable(name):
        problem = "must not contain control characters, lone surrogates or |"
    elif any(segment in {"", ".", ".."} for segment in segments):
        problem = "must not have an empty folder, . or .. between its slashes"
    elif any(segment != segment.strip() for segment in segments):
        problem = "must not have blanks around a folder or at an end"
    elif reserved := RESERVED_SEGMENTS.intersection(segments[1:]):
        problem = f"must not have {min(reserved)} after a slash: addresses use that word"
    if problem:
        raise Invalid("prompt.name", f"The prompt's name {problem}.", errors=[FieldError("name", "format", problem)])
    return name


def is_prompt_name(name: str) -> bool:
    """Whether `check_prompt_name` lets it pass."""
    try:
        check_prompt_name(name)
    except Invalid:
        return False
    return True


def _source(kind: str, fields: Fields) -> TemplateSource:
    if kind not in KINDS:
        fields.refuse("kind", "choice", "must be one of " + ", ".join(KINDS))
    template_format = fields.choice("template_format", "jinja", TEMPLATE_FORMATS)
    wanted, other = ("messages", "text") if kind == "chat" else ("text", "messages")
    if fields.raw(other) is not None:
        fields.refuse(other, "unknown", f"is not for a {kind} prompt: send {wanted}")
    if not fields.require(wanted):
        return TemplateSource(kind, template_format)
    if kind == "chat":
        source = TemplateSource(kind, template_format, messages=_messages(fields))
    else:
        source = TemplateSource(kind, template_format, text=_text(fields))
    size = sum(len(text.encode(errors="surrogatepass")) for text in texts(source))
    if size > MAX_TEMPLATE_BYTES:
        fields.refuse(wanted, "length", f"must have at most {MAX_TEMPLATE_BYTES:,} bytes in all")
    return source


def texts(source: TemplateSource) -> Sequence[str]:
    """Every text of a source that is a template, in reading order."""
    if source.messages is None:
        return [source.text or ""]
    found: list[str] = []
    for turn in source.messages:
        if isinstance(turn, Message):
            parts = (turn.content,) if isinstance(turn.content, str) else turn.content
            found.extend(text for part in parts if (text := part_text(part)) is not None)
    return found


def part_text(part: JSON) -> str | None:
    """The template in a message's content or in one of its parts; None for a part that is no text."""
    if isinstance(part, dict):
        text = part.get("text") if part.get("type") == "text" else None
        return text if isinstance(text, str) else None
    return part if isinstance(part, str) else None


def _text(fields: Fields) -> str:
    value = fields.raw("text")
    if not isinstance(value, str):
        fields.refuse("text", "type", "must be a string")
        return ""
    return value if _stored(fields.errors, value, "text") else ""


def _messages(fields: Fields) -> tuple[Message | Placeholder, ...]:
    values = fields.items("messages", most=MAX_MESSAGES)
    if values == [] and isinstance(fields.raw("messages"), list):
        fields.refuse("messages", "required", "must have at least one message")
    return tuple(_turn(value, fields.errors, f"messages[{index}]") for index, value in enumerate(values))


def _turn(value: JSON, errors: list[FieldError], path: str) -> Message | Placeholder:
    fields = Fields(value, errors, path=path)
    turn: Message | Placeholder
    if fields.has("type"):
        fields.choice("type", "", ("placeholder",))
        fields.require("name")
        name = fields.text("name", "", most=100, pattern=PLACEHOLDER_NAME, shape="letters, digits and _")
        turn = Placeholder(name)
    else:
        fields.require("role")
        role = fields.text("role", "user", most=64, pattern=ROLE, shape="a lower-case word such as user or system")
        turn = Message(role, _turn_content(fields) if fields.require("content") else "")
    fields.close()
    return turn


def _turn_content(fields: Fields) -> str | tuple[JSON, ...]:
    value, path = fields.raw("content"), fields.name("content")
    if isinstance(value, str):
        return value if _stored(fields.errors, value, path) else ""
    if not isinstance(value, list):
        fields.refuse("content", "type", "must be a string or a list of parts")
        return ""
    for index, part in enumerate(value):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            fields.errors.append(FieldError(f"{path}[{index}]", "type", "must be an object with a type"))
        elif part["type"] == "text" and not isinstance(part.get("text"), str):
            fields.errors.append(FieldError(f"{path}[{index}].text", "type", "must be a string"))
    return tuple(value) if _stored(fields.errors, value, path) else ()


def _object(fields: Fields, key: str) -> dict[str, JSON] | None:
    value = fields.raw(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        fields.refuse(key, "type", "must be an object")
        return None
    return value if _stored(fields.errors, value, fields.name(key)) else None


def _tools(fields: Fields) -> list[JSON] | None:
    value = fields.raw("tools")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(tool, Mapping) for tool in value):
        fields.refuse("tools", "type", "must be a list of objects")
        return None
    return value if _stored(fields.errors, cast("JSON", value), "tools") else None


def _stored(errors: list[FieldError], value: JSON, path: str) -> bool:
    """Whether a value can be kept byte for byte; otherwise a mistake that names the place and position."""
    try:
        check_json(value, path)
    except InvalidJson as error:
        errors.append(FieldError(error.path, "character" if error.position is not None else "type", error.message))
        return False
    return True
