"""What these clients send, read into our terms. Fields that are not known here are ignored, as they expect."""

import re
from collections.abc import Mapping
from typing import cast

from prompts_app.actions.labelling import NewVersion
from prompts_app.actions.labels import LABEL, LATEST
from prompts_app.content import KINDS, MAX_NAME, check_prompt_name
from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes

MOST_LABELS, MOST_TAGS = 50, 50
MESSAGE_TYPES = (None, "chatmessage", "message")
LONGEST_COMMIT_MESSAGE = 10_000
_WHOLE = re.compile(r"[1-9]\d{0,8}")


def new_version(data: JSON) -> NewVersion:
    """The body of a create; raises Invalid naming every mistake."""
    errors: list[FieldError] = []
    fields = Fields(data, errors)
    name = fields.text("name", "", most=MAX_NAME) if fields.require("name") else ""
    kind = "text" if fields.raw("type") is None else fields.choice("type", "text", KINDS)
    content = _content(fields, kind) if fields.require("prompt") else {}
    labels = [label for label in _labels(fields, "labels") if label != LATEST]
    tags = None if fields.raw("tags") is None else _words(fields, "tags", MOST_TAGS)
    message = fields.text("commitMessage", None, most=LONGEST_COMMIT_MESSAGE)
    refuse_mistakes("invalid", "Invalid request data:", errors)
    check_prompt_name(name)
    return NewVersion(name, kind, content, tuple(labels), tags, message or "")


def new_labels(data: JSON) -> list[str]:
    """The body of a change of labels."""
    errors: list[FieldError] = []
    fields = Fields(data, errors)
    labels = _labels(fields, "newLabels") if fields.require("newLabels") else []
    refuse_mistakes("invalid", "Invalid request data:", errors)
    return labels


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A positive whole number of a query; None where it is not there; raises Invalid."""
    value = query.get(name, "")
    if value == "":
        return None
    if not _WHOLE.fullmatch(value):
        refuse_mistakes("invalid", "Invalid request data:", [FieldError(name, "type", "must be a positive number")])
    return int(value)


def _content(fields: Fields, kind: str) -> dict[str, JSON]:
    prompt, config = fields.raw("prompt"), fields.raw("config")
    if config is not None and not isinstance(config, dict):
        fields.refuse("config", "type", "must be an object")
    content: dict[str, JSON] = {"template_format": "plain", "config": config}
    if kind == "text":
        if not isinstance(prompt, str):
            fields.refuse("prompt", "type", "must be a string, or send type chat")
        return {**content, "text": prompt}
    if not isinstance(prompt, list):
        fields.refuse("prompt", "type", "must be a list of messages")
        return content
    return {**content, "messages": [_turn(turn) for turn in prompt]}


def _turn(turn: JSON) -> JSON:
    """A message without the mark that newer clients put on it; whatever else it has is for the content to refuse."""
    if isinstance(turn, dict) and turn.get("type") in MESSAGE_TYPES:
        return {key: value for key, value in turn.items() if key != "type"}
    return turn


def _labels(fields: Fields, key: str) -> list[str]:
    labels = [] if fields.raw(key) is None else _words(fields, key, MOST_LABELS)
    for index, label in enumerate(labels):
        if not LABEL.fullmatch(label):
            fields.refuse(f"{key}[{index}]", "format", "must have 1 to 63 of a-z, 0-9, _, . and -")
    return list(dict.fromkeys(labels))


def _words(fields: Fields, key: str, most: int) -> list[str]:
    values = fields.items(key, most=most)
    if not all(isinstance(value, str) for value in values):
        fields.refuse(key, "type", "must be a list of strings")
        return []
    return cast("list[str]", values)
