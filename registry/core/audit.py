"""The audit chain: one row per change that a person or key asked for, each sealed with the hash of the one before."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC

from registry.core import events, outbox
from registry.core.actor import Actor
from registry.core.canonical import JSON, canonical_json
from registry.core.clock import database_now
from registry.core.models import AuditEvent, AuditHead

SEALED = (
    "sequence",
    "event",
    "actor_kind",
    "actor_id",
    "actor_name",
    "subject_type",
    "subject_id",
    "subject_name",
    "before",
    "after",
    "detail",
    "request_id",
    "address",
)


def record(
    actor: Actor,
    event: str,
    *,
    subject_type: str,
    subject_id: int | str,
    subject_name: str,
    before: str = "",
    after: str = "",
    detail: Mapping[str, JSON] | None = None,
) -> AuditEvent:
    """Append one event inside the caller's transaction.

    Locks the workspace's audit head until commit: the last lock in the order every action follows. What is told outside
    by its audit row alone (`events.offer_audited`) goes to the outbox too.
    """
    head = lock(actor.workspace_id)
    row = AuditEvent(
        workspace_id=actor.workspace_id,
        sequence=head.sequence + 1,
        event=event,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        subject_type=subject_type,
        subject_id=str(subject_id),
        subject_name=subject_name,
        before=before,
        after=after,
        detail=canonical_json(dict(detail or {})),
        request_id=actor.request_id,
        address=actor.address,
        at=database_now(),
        previous_hash=head.hash,
    )
    row.hash = seal(row)
    row.save(force_insert=True)
    AuditHead.objects.filter(workspace_id=actor.workspace_id).update(sequence=row.sequence, hash=row.hash)
    if events.audited(event) is not None:
        outbox.send(actor.workspace_id, events.AUDITED, {"audit_id": row.pk})
    return row


def seal(row: AuditEvent) -> str:
    """sha256 over the previous hash and the canonical row, as 64 hex digits."""
    values: dict[str, JSON] = {name: getattr(row, name) for name in SEALED}
    values["workspace"] = row.workspace_id
    values["at"] = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256((row.previous_hash + canonical_json(values)).encode()).hexdigest()


@dataclass(frozen=True)
class ChainReport:
    """What a walk of one workspace's chain found; `first_bad` is the id of the first row that does not fit."""

    ok: bool
    rows: int
    first_bad: int | None
    reason: str = ""


@dataclass(frozen=True)
class Witness:
    """What somebody outside the database knows of one event: its hash, as `source` says."""

    slug: str
    hash: str
    source: str


def verify_chain(workspace_id: int, witnesses: Mapping[int, Witness] | None = None) -> ChainReport:
    """Walk the chain from its first row to the head, in constant memory, while others may append to it.

    `witnesses` are by number of event: they find a tail that was cut together with the head, and a chain that was written anew.
    """
    mine = AuditEvent.objects.filter(workspace_id=workspace_id)
    # In this order: an honest head read later is never behind a row seen before it.
    last = mine.order_by("-sequence").values_list("sequence", flat=True).first() or 0
    head = AuditHead.objects.filter(workspace_id=workspace_id).first() or AuditHead(workspace_id=workspace_id)
    known = dict(witnesses or {})
    expected_hash, rows = "", 0
    events: Iterator[AuditEvent] = (
        mine.filter(sequence__lte=max(last, head.sequence)).order_by("sequence").iterator(chunk_size=2000)
    )
    for row in events:
        rows += 1
        if reason := _misfit(row, rows, expected_hash, known.pop(rows, None)):
            return ChainReport(False, rows, row.pk, reason)
        expected_hash = row.hash
    if known:
        number, witness = min(known.items())
        return ChainReport(False, rows, None, f"the chain ends at {rows}, {witness.source} has seen event {number}")
    if (head.sequence, head.hash) != (rows, expected_hash):
        return ChainReport(False, rows, None, f"the chain ends at {rows}, its head says {head.sequence}")
    return ChainReport(True, rows, None)


def _misfit(row: AuditEvent, number: int, expected_hash: str, witness: Witness | None) -> str:
    """Why the row cannot be event `number` after the one with that hash; empty where it can."""
    if row.sequence != number:
        return f"row {row.pk} has number {row.sequence} where {number} belongs"
    if row.previous_hash != expected_hash:
        return f"row {row.pk} does not follow the row before it"
    if not _is_whole(row) or row.hash != seal(row):
        return f"row {row.pk} was changed"
    if witness is not None and row.hash != witness.hash:
        return f"row {row.pk} is not event {number} as {witness.source} has seen it: it, or rows before it, were written anew"
    return ""


def _is_whole(row: AuditEvent) -> bool:
    """False where a cell is NULL or no text at all, which the table itself refuses."""
    return row.at is not None and all(getattr(row, name) is not None for name in SEALED)


def lock(workspace_id: int) -> AuditHead:
    """Hold the end of the chain until commit. Whoever holds it knows that no person or key changes a fact meanwhile:
    each of their actions would have to record itself here before it could commit."""
    AuditHead.objects.bulk_create([AuditHead(workspace_id=workspace_id)], ignore_conflicts=True)
    return AuditHead.objects.select_for_update(no_key=True).get(workspace_id=workspace_id)
