"""One chunk, from claim to last saved result: resumable at any moment, fenced against whoever took it over."""

import os
import secrets
import socket
import time
from collections.abc import Sequence

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from evals_app.engine.asking import Batch
from evals_app.engine.machinery import Machinery, machinery
from evals_app.engine.preparing import Prepared, prepare
from evals_app.engine.scoring import result_of
from evals_app.models import Result, Run, RunChunk, RunState
from registry.core import jobs

LEASE_S = 20.0
HEARTBEAT_S = 2.0
# Celery ends a task at ten minutes: a chunk that waits for slow providers is handed on well before.
LONGEST_S = 480.0

log = structlog.get_logger(__name__)


class ChunkLostError(Exception):
    """The chunk was cancelled, or another attempt has taken it over: nothing more may be written."""


def new_owner() -> str:
    """Who claims: host, process, and a word of its own for each claim."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"


def work_through(pk: int) -> int | None:
    """Claims the chunk and asks for every answer that it lacks; its run's id, None where there was nothing to claim.

    Ends with the chunk done, handed on after eight minutes, or left to whoever took it over. A bug leaves the lease to
    run out: the sweeper starts another attempt, three in all.
    """
    _free_from_the_dead(pk)
    chunk = jobs.claim(RunChunk, pk, owner=new_owner(), lease_s=LEASE_S)
    if chunk is None:
        return None
    Run.objects.filter(pk=chunk.run_id, state=RunState.QUEUED).update(state=RunState.RUNNING, started_at=Now())
    try:
        _work(chunk, machinery())
    except ChunkLostError:
        log.info("chunk.lost", chunk=chunk.pk, run=chunk.run_id, attempt=chunk.attempt)
    return chunk.run_id


def _work(chunk: RunChunk, machine: Machinery) -> None:
    heart = _Heart(chunk)
    prepared = prepare(chunk, heartbeat=heart.beat)
    _save(chunk, prepared.unaskable)
    batch = Batch(machine, prepared.asks)
    try:
        handed_on = _collect(chunk, batch, prepared, heart)
    finally:
        batch.abandon()
    ended = jobs.hand_on(chunk) if handed_on else jobs.finish(chunk)
    if not ended:
        raise ChunkLostError


class _Heart:
    """Moves the lease on every two seconds; notices when the chunk is no longer ours."""

    def __init__(self, chunk: RunChunk) -> None:
        self._chunk = chunk
        self._last = time.monotonic()

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._last < HEARTBEAT_S:
            return
        self._last = now
        if not jobs.extend(self._chunk, lease_s=LEASE_S):
            raise ChunkLostError


def _collect(chunk: RunChunk, batch: Batch, prepared: Prepared, heart: _Heart) -> bool:
    """Saves outcomes as they come; True when time is up before all are in."""
    began = time.monotonic()
    while batch.left:
        _save(chunk, [result_of(outcome, prepared) for outcome in batch.collect()])
        heart.beat()
        if time.monotonic() - began >= LONGEST_S:
            return True
    return False


def _save(chunk: RunChunk, results: Sequence[Result]) -> None:
    """Writes results exactly once; raises ChunkLostError when the chunk is no longer ours."""
    if not results:
        return
    errors = sum(bool(result.error) for result in results)
    with transaction.atomic():
        if not jobs.holds(chunk):
            raise ChunkLostError
        Result.objects.bulk_create(results)
        RunChunk.objects.filter(pk=chunk.pk).update(done=F("done") + len(results), errors=F("errors") + errors)


def _free_from_the_dead(pk: int) -> None:
    """Ends the lease of an owner on this very host whose process is gone, so that nobody waits for it to run out."""
    owner = RunChunk.objects.filter(pk=pk).values_list("owner", flat=True).first() or ""
    host, _, process = owner.partition(":")
    number = process.partition(":")[0]
    if host != socket.gethostname()[:32] or not number.isdecimal() or _is_running(int(number)):
        return
    RunChunk.objects.filter(pk=pk, owner=owner, state="running").update(lease_until=Now())


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
