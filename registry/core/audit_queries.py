"""The audit log as it is read: what of it somebody chose, an event as JSON, and all that fit as a file."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from registry.core.canonical import JSON
from registry.core.csv_cells import csv_lines
from registry.core.models import AuditEvent
from registry.core.times import rfc3339

EVENTS_AT_ONCE = 1000
COLUMNS = (
    "sequence", "at", "event", "actor_kind", "actor_id", "actor_name", "subject_type", "subject_id", "subject_name",
    "before", "after", "detail", "request_id", "address", "previous_hash", "hash",
)  # fmt: skip


@dataclass(frozen=True)
class AuditChoice:
    """What of a log is wanted: parts of names, and a stretch of time that `before` ends. Whatever is empty narrows nothing."""

    event: str = ""
    actor: str = ""
    subject: str = ""
    since: datetime | None = None
    before: datetime | None = None

    def rows(self, workspace_id: int) -> QuerySet[AuditEvent]:
        """The events of the workspace that fit, newest first."""
        given = {
            "event__icontains": self.event,
            "actor_name__icontains": self.actor,
            "subject_name__icontains": self.subject,
            "at__gte": self.since,
            "at__lt": self.before,
        }
        events = AuditEvent.objects.filter(workspace_id=workspace_id)
        return events.filter(**{lookup: value for lookup, value in given.items() if value})

    def to_json(self) -> dict[str, JSON]:
        """What narrows it, by name."""
        given = {
            "event": self.event,
            "actor": self.actor,
            "subject": self.subject,
            "since": rfc3339(self.since),
            "before": rfc3339(self.before),
        }
        return {name: value for name, value in given.items() if value}


def show_event(row: AuditEvent) -> dict[str, JSON]:
    """An audit row as the API tells of it."""
    return {
        "id": row.pk,
        "sequence": row.sequence,
        "event": row.event,
        "actor": {"kind": row.actor_kind, "id": row.actor_id, "name": row.actor_name},
        "subject": {"type": row.subject_type, "id": row.subject_id, "name": row.subject_name},
        "before": row.before,
        "after": row.after,
        "detail": json.loads(row.detail),
        "request_id": row.request_id,
        "address": row.address,
        "at": rfc3339(row.at),
        "previous_hash": row.previous_hash,
        "hash": row.hash,
    }


def events_until(workspace_id: int, choice: AuditChoice, *, sequence: int) -> Iterator[AuditEvent]:
    """The events that fit, before the one with that number, oldest first; one query for each 1,000 of them."""
    after = 0
    while True:
        rows = choice.rows(workspace_id).filter(sequence__gt=after, sequence__lt=sequence).order_by("sequence")
        found = list(rows[:EVENTS_AT_ONCE])
        yield from found
        if len(found) < EVENTS_AT_ONCE:
            return
        after = found[-1].sequence


def as_jsonl(rows: Iterator[AuditEvent]) -> Iterator[str]:
    """One event a line, as the API tells of it."""
    return (json.dumps(show_event(row), ensure_ascii=False) + "\n" for row in rows)


def as_csv(rows: Iterator[AuditEvent]) -> Iterator[str]:
    """A row an event, under the names of the columns; `detail` is JSON."""
    yield from csv_lines([COLUMNS])
    yield from csv_lines(map(_cells, rows))


def _cells(row: AuditEvent) -> list[str]:
    return [str(rfc3339(row.at)) if name == "at" else str(getattr(row, name)) for name in COLUMNS]


type Writer = Callable[[Iterator[AuditEvent]], Iterator[str]]

# Media type and writer by the form of the file.
FORMS: dict[str, tuple[str, Writer]] = {
    "jsonl": ("application/jsonl", as_jsonl),
    "csv": ("text/csv; charset=utf-8", as_csv),
}
