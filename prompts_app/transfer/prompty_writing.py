"""Versions as Prompty files; what the format cannot say is named in comments at the head of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from prompts_app.content import part_text
from prompts_app.transfer.prompty import KINDS, OPTIONS, split_roles
from registry.core.canonical import JSON

TO_OPTIONS = {ours: theirs for theirs, ours in OPTIONS.items()}
TO_KINDS = {ours: theirs for theirs, ours in KINDS.items()}


def write_prompty(
    name: str, kind: str, content: Mapping[str, JSON], *, description: str = "", tags: Sequence[str] = ()
) -> str:
    """The file of one version as it is served; its front matter is YAML whose values are JSON."""
    lost: list[str] = []
    front: dict[str, JSON] = {"name": name}
    front |= {"description": description} if description else {}
    metadata: dict[str, JSON] = {"greenroom": {"kind": kind}}
    metadata |= {"tags": list(tags)} if tags else {}
    front["metadata"] = metadata
    if model := _model(cast("Mapping[str, JSON]", content.get("config") or {}), content.get("response_format"), lost):
        front["model"] = model
    messages = content.get("messages")
    turns = cast("Sequence[Mapping[str, JSON]]", messages if isinstance(messages, list) else [])
    threads = [str(turn["name"]) for turn in turns if turn.get("type") == "placeholder"]
    inputs = _inputs(cast("Mapping[str, JSON]", content.get("variables") or {}), lost)
    inputs += [{"name": thread, "kind": "thread"} for thread in dict.fromkeys(threads)]
    front |= {"inputs": cast("JSON", inputs)} if inputs else {}
    if tools := _tools(cast("Sequence[JSON]", content.get("tools") or []), lost):
        front["tools"] = cast("JSON", tools)
    is_jinja = content.get("template_format") != "plain"
    front["template"] = {"format": {"kind": "jinja2" if is_jinja else "mustache"}, "parser": {"kind": "prompty"}}
    body = (
        _body(turns, lost, is_jinja=is_jinja) if turns else _checked(str(content.get("text") or ""), "the text", lost)
    )
    head = [f"# Not kept: {one}" for one in dict.fromkeys(lost)]
    head += [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()]
    return "\n".join(["---", *head, "---", body]) + "\n"


def _body(turns: Sequence[Mapping[str, JSON]], lost: list[str], *, is_jinja: bool) -> str:
    blocks: list[str] = []
    for index, turn in enumerate(turns):
        if turn.get("type") == "placeholder":
            blocks.append("{{" + str(turn["name"]) + "}}" if blocks else "system:\n{{" + str(turn["name"]) + "}}")
            continue
        text = _text_of(turn["content"], f"message {index + 1}", lost)
        lines = []
        for line in _checked(text, f"message {index + 1}", lost).split("\n"):
            if len(split_roles(line)) == 1 and split_roles(line)[0][2] == line.strip("\n"):
                lines.append(line)
            elif is_jinja:
                lines.append("{{ " + json.dumps(line, ensure_ascii=False) + " }}")
            else:
                lost.append(
                    f"a line of message {index + 1} reads as the beginning of a message: a dot is put before it"
                )
                lines.append(f".{line}")
        blocks.append(f"{turn['role']}:\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def _text_of(content: JSON, where: str, lost: list[str]) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part_text(part) for part in parts]
    if any(text is None for text in texts):
        lost.append(f"parts of {where} that are no text")
    return "\n".join(text for text in texts if text is not None)


def _checked(text: str, where: str, lost: list[str]) -> str:
    if text != text.strip("\n"):
        lost.append(f"empty lines at the beginning or end of {where}")
    if "\r" in text:
        lost.append(f"carriage returns of {where}")
    return text


def _model(config: Mapping[str, JSON], response_format: JSON, lost: list[str]) -> dict[str, JSON]:
    model: dict[str, JSON] = {}
    options: dict[str, JSON] = {}
    further: dict[str, JSON] = {}
    for name, value in config.items():
        if name == "model" and isinstance(value, str):
            model["id"] = value
        elif name in TO_OPTIONS:
            options[TO_OPTIONS[name]] = value
        else:
            further[name] = value
    if response_format is not None:
        lost.append("response_format as the form of answers; it stands among the model's additionalProperties")
        further["response_format"] = response_format
    options |= {"additionalProperties": further} if further else {}
    return model | ({"options": options} if options else {})


def _inputs(schema: Mapping[str, JSON], lost: list[str]) -> list[dict[str, JSON]]:
    properties, required = schema.get("properties"), schema.get("required")
    found: list[dict[str, JSON]] = []
    for name, about in (properties if isinstance(properties, dict) else {}).items():
        said = about if isinstance(about, dict) else {}
        one: dict[str, JSON] = {"name": name}
        kind = said.get("type")
        if isinstance(kind, str) and kind in TO_KINDS:
            one["kind"] = TO_KINDS[kind]
        one |= {
            theirs: said[ours]
            for ours, theirs in (("description", "description"), ("enum", "enumValues"), ("default", "default"))
            if ours in said
        }
        one["required"] = isinstance(required, list) and name in required
        if set(said) - {"type", "description", "enum", "default", "title"} or isinstance(kind, list):
            lost.append(f"what the contract says further of {name}")
        found.append(one)
    return found


def _tools(tools: Sequence[JSON], lost: list[str]) -> list[dict[str, JSON]]:
    found: list[dict[str, JSON]] = []
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict):
            lost.append("a tool that is no function")
            continue
        one: dict[str, JSON] = {"name": function.get("name"), "kind": "function"}
        one |= {key: function[key] for key in ("description", "strict") if key in function}
        parameters = function.get("parameters")
        one["parameters"] = cast("JSON", _inputs(parameters if isinstance(parameters, dict) else {}, lost))
        found.append(one)
    return found
