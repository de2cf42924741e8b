"""Prompts as a Langfuse server tells of them, read into histories. Their texts are `plain`, as its clients render them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from prompts_app.content import IncludePin, parse_content
from prompts_app.includes import distinct_tags
from prompts_app.transfer.histories import LARGEST_NUMBER, PromptHistory, WrittenVersion
from registry.core.canonical import JSON, parse_json
from registry.core.errors import Invalid
from registry.core.times import is_tellable

LATEST = "latest"


def read_pulled(text: str) -> list[PromptHistory]:
    """The histories in a list of Langfuse's prompt objects, as JSON text; what cannot be read is left out with a note."""
    value = parse_json(text)
    found: dict[str, dict[int, Mapping[str, JSON]]] = defaultdict(dict)
    for one in value if isinstance(value, list) else []:
        if isinstance(one, dict):
            name, number = one.get("name"), one.get("version")
            if isinstance(name, str) and isinstance(number, int) and 0 < number <= LARGEST_NUMBER:
                found[name][number] = one
    labels = {name: _labels(versions) for name, versions in found.items()}
    return [_history(name, versions, labels) for name, versions in sorted(found.items())]


def _labels(versions: Mapping[int, Mapping[str, JSON]]) -> dict[str, int]:
    named = {str(label): number for number, one in versions.items() for label in _list(one.get("labels"))}
    return {**named, LATEST: max(versions)}


def _history(
    name: str, versions: Mapping[int, Mapping[str, JSON]], labels: Mapping[str, Mapping[str, int]]
) -> PromptHistory:
    newest = versions[max(versions)]
    kind = "chat" if newest.get("type") == "chat" else "text"
    own = {label: number for label, number in labels[name].items() if label != LATEST}
    notes = []
    written = []
    for number in sorted(versions):
        one = versions[number]
        if (one.get("type") == "chat") is not (kind == "chat"):
            notes.append(f"Version {number} is of another type and left out: a prompt here is text or chat for good.")
        else:
            written.append(_version(number, kind, one, labels))
    return PromptHistory(
        name=name,
        kind=kind,
        versions=tuple(written),
        tags=tuple(str(tag) for tag in _list(newest.get("tags"))),
        created_at=written[0].created_at if written else None,
        labels=own,
        notes=tuple(notes),
    )


def _version(
    number: int, kind: str, one: Mapping[str, JSON], labels: Mapping[str, Mapping[str, int]]
) -> WrittenVersion:
    content: dict[str, JSON] = {"template_format": "plain"}
    prompt = one.get("prompt")
    if kind == "chat":
        content["messages"] = [_turn(turn) for turn in _list(prompt)]
    else:
        content["text"] = prompt
    if isinstance(one.get("config"), dict):
        content["config"] = one["config"]
    return WrittenVersion(
        number=number,
        content=content,
        pins=_pins(kind, content, labels),
        message=str(one.get("commitMessage") or ""),
        author=str(one.get("createdBy") or "")[:254],
        created_at=_moment(one.get("createdAt")),
        where=f"version {number}",
    )


def _turn(turn: JSON) -> JSON:
    """A message with what ours have; Langfuse adds `type: chatmessage` to some."""
    if isinstance(turn, dict) and turn.get("type") in ("chatmessage", "message"):
        return {name: value for name, value in turn.items() if name != "type"}
    return turn


def _pins(kind: str, content: Mapping[str, JSON], labels: Mapping[str, Mapping[str, int]]) -> tuple[IncludePin, ...]:
    """What each include tag stood for there; version 0 where nobody can say."""
    try:
        tags = distinct_tags(parse_content(kind, dict(content)).source)
    except Invalid:
        return ()
    return tuple(
        IncludePin(tag.name, tag.version or labels.get(tag.name, {}).get(tag.label or "", 0), "") for tag in tags
    )


def _moment(value: JSON) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo and is_tellable(moment) else None


def _list(value: JSON) -> Sequence[JSON]:
    return value if isinstance(value, list) else []
