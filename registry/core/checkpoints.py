"""Checkpoints: where every audit chain ended at a moment, signed and kept outside the database.

A chain alone cannot tell that its end was cut, or that all of it was written anew; a checkpoint of before can.
"""

import errno
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import structlog
from django.conf import settings

from registry.core.audit import Witness
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.models import AuditEvent, AuditHead, Workspace
from registry.core.signatures import NotSigned, read_signed, sign

FORM = "greenroom-checkpoint-1"
DAILY, RESTORE, BACKUP = "daily", "restore", "backup"
# The event that every restore begins with, right after what came back.
RESTORED = "workspace.restored"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ChainEnd:
    """Where one workspace's chain ended; a workspace without an event has number 0 and no hash."""

    workspace_id: int
    slug: str
    epoch: int
    sequence: int
    hash: str


@dataclass(frozen=True)
class Checkpoint:
    """The ends of all chains at a moment. Of kind `restore`, events after `ends` of checkpoints before it are gone by intent."""

    kind: str
    taken_at: datetime
    ends: tuple[ChainEnd, ...]
    source: str


def chain_ends(alias: str = "default") -> tuple[ChainEnd, ...]:
    """The end of each workspace's chain as it is now. Two queries."""
    heads = {head.workspace_id: head for head in AuditHead.objects.using(alias).all()}
    ends = []
    for workspace in Workspace.objects.using(alias).order_by("pk"):
        head = heads.get(workspace.pk) or AuditHead(workspace_id=workspace.pk)
        ends.append(ChainEnd(workspace.pk, workspace.slug, workspace.epoch, head.sequence, head.hash))
    return tuple(ends)


def ends_to_json(ends: Iterable[ChainEnd]) -> list[JSON]:
    """The form in which checkpoints and backups carry them."""
    return [
        {
            "workspace": end.workspace_id,
            "slug": end.slug,
            "epoch": end.epoch,
            "sequence": end.sequence,
            "hash": end.hash,
        }
        for end in ends
    ]


def export_checkpoint(*, kind: str = DAILY, ends: Sequence[ChainEnd] | None = None) -> Path:
    """Write a signed checkpoint into AUDIT_CHECKPOINT_DIR, and its text into the log; the file.

    `ends` are given by a restore, what of each chain came back, and by a backup, what of each is in it.
    """
    now = database_now()
    told = ends_to_json(chain_ends() if ends is None else ends)
    text = sign({"form": FORM, "kind": kind, "taken_at": now.isoformat(), "chains": told})
    path = require_folder() / f"audit-{now:%Y%m%dT%H%M%S%f}Z{'-backup' if kind == BACKUP else ''}.json"
    write_durably(path, text.encode())
    log.info("audit.checkpoint", file=path.name, checkpoint=text)
    return path


def require_folder() -> Path:
    """AUDIT_CHECKPOINT_DIR, made where it is not there; raises OSError where it cannot be made or written to."""
    folder: Path = settings.AUDIT_CHECKPOINT_DIR
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return folder


def write_durably(path: Path, data: bytes) -> None:
    """Write a new file that only its owner reads, whole or not at all, and on the disk when this returns."""
    unfinished = path.with_name(path.name + ".new")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_checkpoint(path: Path, *, by: str = "") -> Checkpoint:
    """A checkpoint, or the manifest of a backup, from its file. Raises NotSigned naming the file."""
    try:
        document = read_signed(path.read_text(), by=by).document
        chains = cast("list[dict[str, str | int]]", document["chains"])
        ends = tuple(
            ChainEnd(int(c["workspace"]), str(c["slug"]), int(c["epoch"]), int(c["sequence"]), str(c["hash"]))
            for c in chains
        )
        kind = str(document.get("kind", DAILY))
        return Checkpoint(kind, datetime.fromisoformat(str(document["taken_at"])), ends, path.name)
    except (NotSigned, OSError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise NotSigned(f"{path}: {error}") from None


def ages() -> dict[str, float]:
    """Seconds since the newest checkpoint and the newest backup that this machine sees; what it never saw is left out."""
    now, folder = time.time(), settings.AUDIT_CHECKPOINT_DIR
    patterns = {"checkpoint": "audit-*Z.json", "backup": "audit-*Z-backup.json"}
    written = {name: [path.stat().st_mtime for path in folder.glob(pattern)] for name, pattern in patterns.items()}
    return {name: now - max(times) for name, times in written.items() if times}


def exported() -> list[Path]:
    """The checkpoints this server has written, oldest first."""
    return sorted(settings.AUDIT_CHECKPOINT_DIR.glob("audit-*.json"))


def witnesses(checkpoints: Iterable[Checkpoint]) -> dict[int, dict[int, Witness]]:
    """By workspace and number of event: what checkpoints say its hash is. What a restore let go is not held against the chain."""
    found: dict[int, dict[int, Witness]] = {}
    for checkpoint in sorted(checkpoints, key=lambda one: one.taken_at):
        if checkpoint.kind == RESTORE:
            came_back = {end.workspace_id: end.sequence for end in checkpoint.ends if _went_back(end)}
            # One that this database knows nothing of took place in another, such as a drill with the same folder.
            if checkpoint.ends and not came_back:
                continue
            known = {end.workspace_id for end in checkpoint.ends}
            found = {
                workspace: {number: one for number, one in seen.items() if number <= came_back.get(workspace, number)}
                for workspace, seen in found.items()
                if workspace in known
            }
        for end in checkpoint.ends:
            if end.sequence:
                found.setdefault(end.workspace_id, {})[end.sequence] = Witness(end.slug, end.hash, checkpoint.source)
    return found


def _went_back(end: ChainEnd) -> bool:
    """Whether the chain says that it was restored to there."""
    return AuditEvent.objects.filter(
        workspace_id=end.workspace_id, sequence=end.sequence + 1, event=RESTORED, previous_hash=end.hash
    ).exists()
