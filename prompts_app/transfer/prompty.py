"""Prompty files, read: front matter and body as the fields of a version, with a note on each thing that is not taken over.

Nothing in a file is resolved here: `${env:…}` and `${file:…}` would read this server's environment and disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from prompts_app.transfer.histories import PromptHistory, WrittenVersion
from registry.core.canonical import JSON
from registry.core.errors import Invalid, invalid_field
from registry.core.yaml_tree import read_yaml

ROLES = ("system", "user", "assistant", "developer", "tool", "function")
OPTIONS = {
    "temperature": "temperature",
    "maxOutputTokens": "max_tokens",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "stopSequences": "stop",
}
APART = {"messages", "response_format", "stream", "tool_choice", "tools"}  # of a request, but no setting of the model
KINDS = {
    "string": "string",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
TAKEN = {"name", "description", "metadata", "model", "inputs", "outputs", "tools", "template", "kind"}
MOST_CHARACTERS = 2_500_000
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
# No blank can be taken by two parts of a pattern, and what is looked for after a beginning is bounded: the time is linear.
_MARKER = re.compile(rf"^\s*(?:#\s*)?({'|'.join(ROLES)})(\[[^\]\n]*\])?\s*:\s*$", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{(env|file):([^:}]{0,1000})(?::([^}]{0,1000}))?\}")
_BLANK = r"[^\S\n]"
_MUSTACHE_LOGIC = re.compile(r"\{\{\s*[#^/>!&={]")


@dataclass
class _Reading:
    """A file being read; `notes` gathers what is not taken over."""

    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def resolve(self, value: JSON, where: str) -> JSON:
        """A value without references: those have their default, or nothing."""
        if isinstance(value, dict):
            return {name: self.resolve(inner, f"{where}.{name}") for name, inner in value.items()}
        if isinstance(value, list):
            return [self.resolve(inner, where) for inner in value]
        found = _REFERENCE.search(value) if isinstance(value, str) else None
        if found is None:
            return value
        if found[1] == "env" and found[3] is not None:
            self.note(f"{where}: the default of {found[0]} is taken; no environment is read here.")
            return found[3]
        self.note(f"{where}: {found[0]} is left out; no environment and no file is read here.")
        return None


def read_prompty(text: str, *, name: str = "", otherwise: str = "") -> PromptHistory:
    """The prompt that a file holds, as a history of one version, number 1; `name` counts before the file's own name, which
    counts before `otherwise`.

    Raises Invalid for malformed front matter (with its line), a template format that cannot be kept, and no name.
    """
    if len(text) > MOST_CHARACTERS:
        raise invalid_field("file", "length", f"At most {MOST_CHARACTERS:,} characters are read.")
    front, body = _split(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    reading = _Reading()
    for other in set(front) - TAKEN:
        reading.note(f"{other} is not taken over.")
    called = name or str(front.get("name") or "") or otherwise
    if not called:
        raise invalid_field("name", "required", "The file has no name: say what the prompt shall be called.")
    template_format = _format(front.get("template"), body)
    inputs = _properties(front.get("inputs"), "inputs")
    threads = [str(one["name"]) for one in inputs if one.get("kind") == "thread"]
    metadata = _object(front.get("metadata"))
    content: dict[str, JSON] = {"template_format": template_format}
    if _object(metadata.get("greenroom")).get("kind") == "text":
        content["text"] = body
    else:
        content["messages"] = cast("JSON", _messages(reading, body, threads))
    plain_inputs = [one for one in inputs if one.get("kind") != "thread"]
    content |= {"variables": _schema(reading, plain_inputs)} if plain_inputs else {}
    content["config"] = _config(reading, front.get("model"))
    if outputs := _properties(front.get("outputs"), "outputs"):
        schema = _schema(reading, outputs, is_answer=True)
        shape = {"name": re.sub(r"[^a-zA-Z0-9_-]", "_", called)[:64], "schema": schema}
        content["response_format"] = {"type": "json_schema", "json_schema": cast("JSON", shape)}
    if tools := _tools(reading, front.get("tools")):
        content["tools"] = cast("JSON", tools)
    authors = metadata.get("authors")
    author = str(authors[0]) if isinstance(authors, list) and authors else ""
    tags = metadata.get("tags")
    return PromptHistory(
        name=called,
        kind="text" if "text" in content else "chat",
        versions=(WrittenVersion(1, content, author=author[:254], message="Imported from a Prompty file"),),
        description=str(front.get("description") or ""),
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        notes=tuple(reading.notes),
    )


def _split(text: str) -> tuple[Mapping[str, JSON], str]:
    """Front matter and body; a file that begins otherwise is all body."""
    found = _FRONT.match(text)
    if found is None:
        if text.startswith("---\n"):
            raise invalid_field("file", "yaml", "Invalid frontmatter: the line --- that ends it is missing.")
        return {}, text.strip("\n")
    body = text[found.end() :].strip("\n")
    if not found[1].strip():
        return {}, body
    try:
        front = read_yaml("\n" + found[1]).plain()
    except Invalid as refused:
        message = f"Invalid frontmatter: {refused.detail}"
        raise invalid_field("file", "yaml", message) from None
    if not isinstance(front, dict):
        raise invalid_field("file", "yaml", "Invalid frontmatter: it must be an object.")
    return front, body


def _format(template: JSON, body: str) -> str:
    """jinja or plain; raises Invalid for what is neither."""
    if template is not None and not isinstance(template, dict):
        raise invalid_field("template", "type", "Invalid template format: it must be an object with format and parser.")
    kinds = {}
    for part, usual in (("format", "jinja2"), ("parser", "prompty")):
        given = _object(template).get(part)
        kinds[part] = str(_object(given).get("kind") or usual) if not isinstance(given, str) else given
    if kinds["parser"] != "prompty":
        raise invalid_field("template.parser", "choice", f"The parser {kinds['parser']} is not known: only prompty is.")
    if kinds["format"] == "jinja2":
        return "jinja"
    if kinds["format"] != "mustache":
        detail = f"The template format {kinds['format']} cannot be kept: only jinja2 and mustache can."
        raise invalid_field("template.format", "choice", detail)
    if _MUSTACHE_LOGIC.search(body):
        detail = "Of mustache only plain variables can be kept: write sections and the like in jinja2."
        raise invalid_field("template.format", "choice", detail)
    return "plain"


def split_roles(body: str) -> list[tuple[str, str, str]]:
    """The messages of a body: role, what stood in brackets, content without the line feeds around it.

    Text before the first marker is a system message. A marker is a role alone on its line, with a colon.
    """
    found: list[tuple[str, str, list[str]]] = [("system", "", [])]
    for line in body.split("\n"):
        marker = _MARKER.match(line)
        if marker:
            found.append((marker[1].lower(), (marker[2] or "")[1:-1], []))
        else:
            found[-1][2].append(line)
    turns = [(role, attributes, "\n".join(lines).strip("\n")) for role, attributes, lines in found]
    return turns if turns[0][2].strip() or len(turns) == 1 else turns[1:]


def _messages(reading: _Reading, body: str, threads: Sequence[str]) -> list[dict[str, JSON]]:
    """Messages with a placeholder wherever a thread's name stands on a line of its own."""
    turns: list[dict[str, JSON]] = []
    names = "|".join(map(re.escape, threads))
    place = rf"^{_BLANK}*\{{\{{{_BLANK}*({names}){_BLANK}*\}}\}}{_BLANK}*$"
    for role, attributes, content in split_roles(body):
        if attributes:
            reading.note(f"What stands in brackets after {role} ({attributes}) is not taken over.")
        pieces = re.split(place, content, flags=re.MULTILINE) if threads else [content]
        for index, piece in enumerate(pieces):
            if index % 2:
                turns.append({"type": "placeholder", "name": piece})
            elif text := piece.strip("\n") if len(pieces) > 1 else piece:
                turns.append({"role": role, "content": text})
            elif len(pieces) == 1:
                turns.append({"role": role, "content": ""})
    return turns


def _config(reading: _Reading, model: JSON) -> dict[str, JSON]:
    if isinstance(model, str):
        model = {"id": model}
    given = _object(model)
    config: dict[str, JSON] = {}
    if given.get("id"):
        config["model"] = reading.resolve(given["id"], "model.id")
    api = given.get("apiType", given.get("api"))
    if api not in ("chat", None):
        reading.note(f"model.apiType {api} is not taken over: prompts here are asked as chats.")
    for other in set(given) - {"id", "api", "apiType", "options", "parameters"}:
        reading.note(f"model.{other} is not taken over: connections are an admin's, under Settings → Providers.")
    for name, value in _object(given.get("parameters")).items():  # the older form, with the names that requests have
        if name in APART:
            reading.note(f"model.parameters.{name} is not taken over: add it in the editor.")
        else:
            config[name] = reading.resolve(value, f"model.parameters.{name}")
    for name, value in _object(given.get("options")).items():
        if name == "additionalProperties" and isinstance(value, dict):
            config |= cast("dict[str, JSON]", reading.resolve(value, "model.options"))
        elif name in OPTIONS:
            config[OPTIONS[name]] = reading.resolve(value, f"model.options.{name}")
        else:
            config[name] = reading.resolve(value, f"model.options.{name}")
    return {name: value for name, value in config.items() if value is not None}


def _properties(value: JSON, where: str) -> list[Mapping[str, JSON]]:
    """Inputs or outputs as a list of properties; the older form, an object by name, is read too."""
    if value is None:
        return []
    entries: list[JSON] = []
    if isinstance(value, dict):
        for name, about in value.items():
            entries.append({"name": name, **about} if isinstance(about, dict) else {"name": name, "default": about})
    elif isinstance(value, list):
        entries = value
    found: list[Mapping[str, JSON]] = [
        one for one in entries if isinstance(one, dict) and isinstance(one.get("name"), str)
    ]
    if len(found) != len(entries) or not isinstance(value, list | dict):
        raise invalid_field(where, "type", "must be a list of objects, each with a name")
    return found


def _schema(reading: _Reading, properties: Sequence[Mapping[str, JSON]], *, is_answer: bool = False) -> dict[str, JSON]:
    """JSON Schema of properties."""
    shown: dict[str, JSON] = {}
    required: list[JSON] = []
    for one in properties:
        name, about = str(one["name"]), _property(reading, one)
        shown[name] = about
        if one.get("required") is True or ("required" not in one and "default" not in one and not is_answer):
            required.append(name)
        if "default" in one and not is_answer:
            reading.note("Defaults of inputs are kept in the contract, and filled in by the caller.")
    return {"type": "object", "properties": shown, "required": required}


def _property(reading: _Reading, one: Mapping[str, JSON]) -> dict[str, JSON]:
    kind = str(one.get("kind") or one.get("type") or "")
    about: dict[str, JSON] = {}
    if kind in KINDS:
        about["type"] = KINDS[kind]
    elif kind:
        reading.note(f"The kind {kind} of {one['name']} is not known here: it takes any value.")
    for ours, theirs in (("description", "description"), ("enum", "enumValues"), ("default", "default")):
        if theirs in one:
            about[ours] = reading.resolve(one[theirs], f"{one['name']}.{theirs}")
    if kind == "object" and isinstance(one.get("properties"), list | dict):
        about |= _schema(reading, _properties(one["properties"], "properties"), is_answer=True)
    if kind == "array" and isinstance(one.get("items"), dict):
        about["items"] = _property(reading, {"name": f"{one['name']}[]", **cast("dict[str, JSON]", one["items"])})
    return about


def _tools(reading: _Reading, value: JSON) -> list[dict[str, JSON]]:
    tools: list[dict[str, JSON]] = []
    for one in _properties(value, "tools"):
        if one.get("kind") != "function":
            reading.note(f"The tool {one['name']} of kind {one.get('kind')} is not taken over: only functions are.")
            continue
        if one.get("bindings"):
            reading.note(f"The bindings of the tool {one['name']} are not taken over.")
        parameters = _schema(reading, _properties(one.get("parameters"), "parameters"), is_answer=True)
        function: dict[str, JSON] = {"name": one["name"], "parameters": parameters}
        function |= {key: one[key] for key in ("description", "strict") if key in one}
        tools.append({"type": "function", "function": function})
    return tools


def _object(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}
