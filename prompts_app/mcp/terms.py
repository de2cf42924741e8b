"""Prompts in the protocol's terms: arguments from the contract, messages with one content each. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from prompts_app.content import Placeholder, VersionContent
from prompts_app.mcp.protocol import Code, Fault
from prompts_app.sandbox.client import Rendered
from prompts_app.variables import type_words
from registry.core.canonical import JSON, InvalidJson, canonical_json, parse_json

# What a message says of its role where the protocol, which knows user and assistant, has no word for it.
ROLE = "greenroom/role"
_DATA_URL = re.compile(r"data:((?:image|audio)/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)")
_SHORTEST_KINDS = {"mp3": "mpeg"}


def definition(
    name: str, description: str, variables: Mapping[str, JSON], placeholders: Iterable[str]
) -> dict[str, JSON]:
    """A prompt as `prompts/list` tells of it; placeholders are optional arguments."""
    required = variables.get("required")
    needed = required if isinstance(required, list) else []
    arguments: list[JSON] = [
        {"name": one, **_about(schema), "required": one in needed} for one, schema in _properties(variables).items()
    ]
    for one in dict.fromkeys(placeholders):
        arguments.append({"name": one, "description": "A JSON list of messages.", "required": False})
    told: dict[str, JSON] = {"name": name, "arguments": arguments}
    return {**told, "description": description} if description else told


def values_of(content: VersionContent, arguments: JSON) -> dict[str, JSON]:
    """The variables that arguments stand for: a text where a text is taken, else the JSON in it. Raises Fault."""
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise Fault(Code.INVALID_PARAMS, "`arguments` must be an object whose values are strings.")
    properties = _properties(content.variables or {})
    turns = {turn.name for turn in content.source.messages or () if isinstance(turn, Placeholder)}
    return {
        name: _value(name, given, is_text=name not in turns and _takes_text(properties.get(name)))
        for name, given in arguments.items()
    }


def messages_of(rendered: Rendered) -> list[JSON]:
    """What was rendered as messages: each part of a content is a message of its own."""
    if rendered.messages is None:
        return [{"role": "user", "content": {"type": "text", "text": rendered.text or ""}}]
    found: list[JSON] = []
    for message in rendered.messages:
        role = str(message.get("role", "user"))
        for content in _contents(message):
            is_known = role in {"user", "assistant"}
            told: dict[str, JSON] = content if is_known else {**content, "_meta": {ROLE: role}}
            found.append({"role": role if is_known else "user", "content": told})
    return found


def _properties(variables: Mapping[str, JSON]) -> dict[str, JSON]:
    properties = variables.get("properties")
    return properties if isinstance(properties, dict) else {}


def _about(schema: JSON) -> dict[str, JSON]:
    about = schema if isinstance(schema, dict) else {}
    given, kind = about.get("description"), about.get("type")
    words = [given] if isinstance(given, str) and given else []
    if not _takes_text(schema):
        words.append(f"JSON: {type_words(kind)}.")
    return {"description": " ".join(words)} if words else {}


def _takes_text(schema: JSON) -> bool:
    kind = schema.get("type", "string") if isinstance(schema, dict) else "string"
    return "string" in kind if isinstance(kind, list) else kind == "string"


def _value(name: str, given: JSON, *, is_text: bool) -> JSON:
    if is_text or not isinstance(given, str):
        return given
    try:
        return parse_json(given)
    except InvalidJson as problem:
        raise Fault(Code.INVALID_PARAMS, f"The argument `{name}` must be JSON: {problem.message}") from None


def _contents(message: Mapping[str, JSON]) -> Sequence[dict[str, JSON]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [_part(part) for part in content]
    return [{"type": "text", "text": canonical_json(dict(message))}]


def _part(part: JSON) -> dict[str, JSON]:
    """Text, images and sounds as the protocol has them; whatever else there may be as its JSON."""
    about = part if isinstance(part, dict) else {}
    text, image, audio = about.get("text"), about.get("image_url"), about.get("input_audio")
    if about.get("type") == "text" and isinstance(text, str):
        return {"type": "text", "text": text}
    url = image.get("url") if isinstance(image, dict) else None
    if isinstance(url, str) and (found := _DATA_URL.fullmatch(url)):
        kind = "audio" if found[1].startswith("audio/") else "image"
        return {"type": kind, "data": "".join(found[2].split()), "mimeType": found[1]}
    if isinstance(audio, dict) and isinstance(audio.get("data"), str):
        form = str(audio.get("format", "wav"))
        return {"type": "audio", "data": audio["data"], "mimeType": f"audio/{_SHORTEST_KINDS.get(form, form)}"}
    return {"type": "text", "text": canonical_json(part)}
