"""A prompt as a file that people read and edit: a head of `name: JSON` lines between `---`, then the text or the messages.

The head is a subset of YAML that needs no YAML library: each value is JSON, on its line or on indented lines below it. The
body is kept to the byte: the line feed that ends the file is not part of it, everything else is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from greenroom.errors import GreenroomError
from greenroom.templates.plain import plain_names
from greenroom.templates.rendering import compile_source, names_in
from greenroom.templates.values import JSON, InvalidJson, check_text, parse_json

SUFFIX = ".prompt"
FENCE = "---"
SETTINGS = ("template_format", "variables", "config", "tools", "response_format")
KNOWN = ("name", "kind", "version", *SETTINGS)
LONGEST_SEGMENT = 150
_HEAD_LINE = re.compile(r"([a-z_]+):(?: (.*))?")
_TURN = re.compile(
    r"--- (?:\[placeholder\] (?P<placeholder>\w{1,100})|(?P<role>[a-z][a-z0-9_-]{0,63})(?P<parts> \[parts\])?)"
)
_LIKE_TURN = re.compile(r"^(\\*--- )", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(\\*--- )", re.MULTILINE)
_UNSAFE = re.compile(r'[%<>:"\\|?*\x00-\x1f\x7f-\x9f]|^\.|[. ]$')


class BadFile(GreenroomError):
    """A file that is no prompt; the text says which line, and what to do."""


@dataclass(frozen=True)
class PromptFile:
    """What a file says. `version` is the one it was made of, None for a new prompt; `content` the fields of the API."""

    name: str
    kind: str
    content: Mapping[str, JSON]
    version: int | None = None
    served: Mapping[str, JSON] = field(default_factory=dict, compare=False)


def write_file(prompt: PromptFile) -> str:
    """The text of the file; `read_file` gives the same back."""
    head = [FENCE, *_entry("name", prompt.name), *_entry("kind", prompt.kind)]
    head += _entry("version", prompt.version) if prompt.version is not None else []
    for name in SETTINGS:
        if name in prompt.content:
            head += _entry(name, prompt.content[name])
    text = prompt.content.get("text")
    body = text if isinstance(text, str) else _write_turns(cast("Sequence[JSON]", prompt.content["messages"]))
    return "\n".join([*head, FENCE, body]) + "\n"


def read_file(raw: bytes) -> PromptFile:
    """What a file says; raises BadFile."""
    try:
        text = raw.decode()
        check_text(text)
    except UnicodeDecodeError as error:
        raise BadFile(f"byte {error.start} is not UTF-8") from None
    except InvalidJson as error:
        raise BadFile(error.message) from None
    if text.startswith("---\r"):
        raise BadFile(
            "its line ends were turned into CR LF, which would change the prompt: let git leave *.prompt alone"
        )
    lines = text.split("\n")
    if lines[0] != FENCE or FENCE not in lines[1:]:
        raise BadFile("line 1: a prompt's file begins with a head between two lines of ---")
    end = lines.index(FENCE, 1)
    head = _read_head(lines[1:end])
    body = "\n".join(lines[end + 1 :]).removesuffix("\n")
    return _assemble(head, body, first_line=end + 2)


def of_entry(entry: Mapping[str, JSON], version: Mapping[str, JSON]) -> PromptFile:
    """One version of a bundle as a file: tags as written, and nothing that is left out says the same."""
    served = cast("Mapping[str, JSON]", version["content"])
    source = cast("Mapping[str, JSON]", version.get("source") or {})
    content = {name: value for name, value in {**served, **source}.items() if name != "includes"}
    if _is_worked_out(served):
        del content["variables"]
    left_out: dict[str, JSON] = {"template_format": "jinja", "config": {}, "tools": None, "response_format": None}
    content = {name: value for name, value in content.items() if name not in left_out or value != left_out[name]}
    return PromptFile(str(entry["name"]), str(entry["kind"]), content, cast("int", version["version"]), served)


def path_of(name: str) -> str:
    """Where a prompt's file lies below the folder: its name as a path that every system can hold, never outside of it."""
    *folders, leaf = [_segment(one) for one in name.split("/")]
    folders = [f"{one[: -len(SUFFIX)]}%2Eprompt" if one.lower().endswith(SUFFIX) else one for one in folders]
    return "/".join([*folders, leaf + SUFFIX])


def _segment(text: str) -> str:
    safe = _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
    if len(safe.encode()) <= LONGEST_SEGMENT:
        return safe
    mark = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{safe.encode()[:LONGEST_SEGMENT].decode(errors='ignore')}~{mark}"


def _entry(name: str, value: JSON) -> list[str]:
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= 100 and "\x7f" not in line:
        return [f"{name}: {line}"]
    pretty = json.dumps(value, ensure_ascii=False, indent=2).split("\n")
    return [f"{name}:", *(f"  {one}" for one in pretty)]


def _read_head(lines: Sequence[str]) -> dict[str, JSON]:
    gathered: dict[str, tuple[int, list[str]]] = {}
    current: list[str] = []
    for number, line in enumerate(lines, start=2):
        if line[:1] in {" ", "\t"} and current:
            current.append(line)
            continue
        found = _HEAD_LINE.fullmatch(line)
        if found is None or found[1] not in KNOWN:
            raise BadFile(f"line {number}: the head holds lines `name: JSON`, with one of: {', '.join(KNOWN)}")
        if found[1] in gathered:
            raise BadFile(f"line {number}: {found[1]} is there twice")
        current = [found[2] or ""]
        gathered[found[1]] = (number, current)
    return {name: _value(name, number, "\n".join(text)) for name, (number, text) in gathered.items()}


def _value(name: str, number: int, text: str) -> JSON:
    try:
        return parse_json(text)
    except InvalidJson as error:
        raise BadFile(f"line {number}: {name} is no JSON (texts stand in double quotes): {error.message}") from None


def _assemble(head: dict[str, JSON], body: str, *, first_line: int) -> PromptFile:
    name, kind, version = head.get("name"), head.get("kind"), head.get("version")
    if not isinstance(name, str) or kind not in ("text", "chat"):
        raise BadFile('the head needs name: "…" and kind: "text" or "chat"')
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise BadFile("version is the number of the version that the file was made of")
    content: dict[str, JSON] = {setting: head[setting] for setting in SETTINGS if setting in head}
    if kind == "text":
        content["text"] = body
    else:
        content["messages"] = cast("JSON", _read_turns(body, first_line))
    return PromptFile(name, str(kind), content, version)


def _write_turns(turns: Sequence[JSON]) -> str:
    blocks = []
    for turn in turns:
        assert isinstance(turn, dict)
        if turn.get("type") == "placeholder":
            blocks.append(f"--- [placeholder] {turn['name']}")
            continue
        content = turn["content"]
        if isinstance(content, str):
            blocks.append(f"--- {turn['role']}\n" + _LIKE_TURN.sub(r"\\\1", content))
        else:
            blocks.append(f"--- {turn['role']} [parts]\n" + json.dumps(content, ensure_ascii=False, indent=2))
    return "\n".join(blocks)


def _read_turns(body: str, first_line: int) -> list[dict[str, JSON]]:
    turns: list[tuple[re.Match[str], int, list[str]]] = []
    for number, line in enumerate(body.split("\n"), start=first_line):
        found = _TURN.fullmatch(line)
        if found:
            turns.append((found, number, []))
        elif line.startswith("--- "):
            raise BadFile(
                f"line {number}: a message begins with `--- user`, `--- user [parts]` or `--- [placeholder] name`"
            )
        elif not turns or turns[-1][0]["placeholder"]:
            if line:
                raise BadFile(f"line {number}: this text belongs to no message: write `--- user` above it")
        else:
            turns[-1][2].append(line)
    return [_turn(found, number, "\n".join(lines)) for found, number, lines in turns]


def _turn(found: re.Match[str], number: int, text: str) -> dict[str, JSON]:
    if found["placeholder"]:
        return {"type": "placeholder", "name": found["placeholder"]}
    if found["parts"]:
        return {"role": found["role"], "content": _value("the list of parts", number, text)}
    return {"role": found["role"], "content": _ESCAPED.sub(r"\1", text)}


def _is_worked_out(served: Mapping[str, JSON]) -> bool:
    """Whether the schema of the variables is the one that the server makes of the text where none is given."""
    messages = served.get("messages")
    source: dict[str, JSON] = {"text": served.get("text")} if messages is None else {"messages": messages}
    try:
        if served.get("template_format") == "plain":
            names = plain_names(_texts(messages) if isinstance(messages, list) else [str(served.get("text"))])
        else:
            names = names_in(compile_source(source))
    except Exception:  # whatever the text is, its declared schema is then written out
        return False
    expected = {"type": "object", "properties": {name: {} for name in names}, "required": list(names)}
    return served.get("variables") == expected


def _texts(messages: Sequence[JSON]) -> list[str]:
    found: list[str] = []
    for turn in messages:
        content = turn.get("content") if isinstance(turn, dict) else None
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        found += [text for text in texts if isinstance(text, str)]
    return found
