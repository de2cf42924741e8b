"""What is told outside: a catalogue of events that the apps offer, each with the JSON Schema of its data.

An event comes from an outbox message, so it is recorded once however often the message is handed over. What a person or key
did and nothing else tells of comes from its audit row (`offer_audited`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.urls import NoReverseMatch, reverse

from registry.core.canonical import JSON

if TYPE_CHECKING:
    from registry.core.models import AuditEvent

AUDITED = "audit.recorded"
TEST = "webhook.test"

type Properties = Mapping[str, dict[str, JSON]]
type Where = Callable[["AuditEvent"], str]


def text(description: str) -> dict[str, JSON]:
    """A string of the data."""
    return {"type": "string", "description": description}


def number(description: str) -> dict[str, JSON]:
    """A whole number of the data."""
    return {"type": "integer", "description": description}


def optional(schema: dict[str, JSON]) -> dict[str, JSON]:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


URL = text("The page about it.")
ACTOR: dict[str, JSON] = {
    "type": "object",
    "description": "Who did it.",
    "properties": {
        "kind": {"type": "string", "enum": ["member", "key", "system"]},
        "name": text("The name as it was."),
    },
    "required": ["kind", "name"],
}
SUBJECT: Properties = {
    "subject": {
        "type": "object",
        "description": "What it was done to.",
        "properties": {
            "type": text("Such as `key`, `suite`, `member`."),
            "id": text("Its id."),
            "name": text("Its name as it was."),
        },
        "required": ["type", "id", "name"],
    },
    "actor": ACTOR,
    "before": text("The digest (or role) before, if any; else empty."),
    "after": text("The digest (or role) after, if any; else empty."),
    "url": URL,
}


@dataclass(frozen=True)
class EventType:
    """One kind of event. `properties` are the fields of its data, all always there; `content` says that texts can be chosen."""

    name: str
    says: str
    properties: Properties
    in_environment: bool = False
    content: bool = False


@dataclass(frozen=True)
class Happened:
    """An event: its data, a line for people, and the page about it from the root of the server (`data` gets it as `url`).

    `content` is what only endpoints get that chose it.
    """

    type: str
    text: str
    url: str
    data: Mapping[str, JSON]
    environment: str = ""
    content: Mapping[str, JSON] | None = None


@dataclass(frozen=True)
class Audited:
    """An event made of audit rows; `page` is a URL name, `by` what of the subject its address takes: `name`, `id` or nothing.
    `where` names the environment that it happened in, if it does in one."""

    type: str
    did: str
    page: str
    by: str
    where: Where | None


@dataclass
class _Catalogue:
    types: dict[str, EventType] = field(default_factory=dict)
    audited: dict[str, Audited] = field(default_factory=dict)


_catalogue = _Catalogue()


def offer(*types: EventType) -> None:
    """Let people choose these. Apps do this once, when they are ready."""
    _catalogue.types.update({one.name: one for one in types})


def offer_audited(event: str, did: str, *, page: str, by: str = "", where: Where | None = None) -> None:
    """Offer what an audit row of that event says; `did` goes on after who did it: `made a key`."""
    offer(EventType(event, f"Somebody {did}.", SUBJECT, in_environment=where is not None))
    _catalogue.audited[event] = Audited(event, did, page, by, where)


def audited(event: str) -> Audited | None:
    """How an audit row of that event is told, if it is."""
    return _catalogue.audited.get(event)


def types() -> list[EventType]:
    """All that people may choose, by name."""
    return sorted(_catalogue.types.values(), key=lambda one: one.name)


def schema_of(kind: EventType) -> dict[str, JSON]:
    """The JSON Schema of a whole body."""
    properties: dict[str, JSON] = dict(kind.properties)
    if kind.content:
        properties["content"] = {"type": "object", "description": "Texts, where the endpoint chose to get them."}
    required: list[JSON] = [*kind.properties]
    environment = text("The environment it happened in.")
    return {
        "type": "object",
        "properties": {
            "id": text("The event's id, as in `webhook-id`: sorts in the order of recording."),
            "type": {"type": "string", "const": kind.name},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it was recorded."},
            "workspace": text("The workspace's slug."),
            "environment": environment if kind.in_environment else {"type": "null"},
            "data": {"type": "object", "properties": properties, "required": required, "additionalProperties": False},
        },
        "required": ["id", "type", "timestamp", "workspace", "environment", "data"],
        "additionalProperties": False,
    }


def openapi() -> dict[str, JSON]:
    """The catalogue as `webhooks` of an OpenAPI 3.1 document."""
    return {
        kind.name: {
            "post": {
                "summary": kind.says,
                "description": "Signed as Standard Webhooks; any answer of the 2xx kind accepts it.",
                "tags": ["webhooks"],
                "operationId": kind.name.replace(".", "_"),
                "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(kind)}}},
                "responses": {"2XX": {"description": "Accepted; the body is not read."}},
            }
        }
        for kind in types()
    }


def page_url(name: str, *parts: object) -> str:
    """The address of a page from the root of the server; empty where no page can have it."""
    try:
        return reverse(name, args=parts)
    except NoReverseMatch:
        return ""
