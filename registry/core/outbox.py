"""What must be told after a commit: rows written with the change, handed to subscribers at least once."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction

from registry.core import jobs
from registry.core.canonical import JSON
from registry.core.models import OutboxMessage

LEASE_S = 60.0
RETRY_DELAY_S = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Message:
    """An outbox row as its handlers see it; `event_id` is the same on every repeat."""

    event_id: UUID
    workspace_id: int
    topic: str
    payload: Mapping[str, JSON]

    def id(self, name: str) -> int:
        """The id that the payload carries under `name`."""
        value = self.payload[name]
        assert isinstance(value, int)
        return value


Handler = Callable[[Message], None]
_handlers: dict[str, list[Handler]] = defaultdict(list)


def subscribe(topic: str, handler: Handler) -> None:
    """Call `handler` for each message of `topic`; it must bear repeats. Apps do this once, when they are ready."""
    if handler not in _handlers[topic]:
        _handlers[topic].append(handler)


def send(workspace_id: int, topic: str, payload: Mapping[str, JSON]) -> OutboxMessage:
    """Write a message inside the caller's transaction; it is dispatched after the commit."""
    row = OutboxMessage(workspace_id=workspace_id, topic=topic, payload=json.dumps(dict(payload)))
    row.save(force_insert=True)
    jobs.hint_after_commit(row)
    return row


def dispatch(pk: int, *, owner: str) -> bool:
    """Hand one message to its handlers, all in one transaction; False where it is not ours to do."""
    row = jobs.claim(OutboxMessage, pk, owner=owner, lease_s=LEASE_S)
    if row is None:
        return False
    message = Message(row.event_id, row.workspace_id, row.topic, json.loads(row.payload))
    try:
        with transaction.atomic():
            if not jobs.holds(row):
                return False
            for handler in _handlers[row.topic]:
                handler(message)
            return jobs.finish(row)
    except Exception:
        log.exception("outbox.handler_failed", topic=row.topic, message=row.pk)
        jobs.release(row, error="a subscriber failed; see the log", delay_s=RETRY_DELAY_S * 4**row.attempt)
        return False
