"""Chunks, from claim to last saved result: resumable at any moment, fenced against whoever took them over."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from evals_app.engine import judging
from evals_app.engine.asking import Arrivals, Batch, Outcome
from evals_app.engine.budget import Purse
from evals_app.engine.grading import Grader
from evals_app.engine.machinery import machinery
from evals_app.engine.preparing import prepare, run_of
from evals_app.engine.queue import claim_next
from evals_app.engine.saving import copy_in
from evals_app.engine.stopping import stop
from evals_app.models import JudgeReply, Result, Run, RunChunk, RunState
from registry.core import jobs

LEASE_S = 20.0
HEARTBEAT_S = 2.0
# Celery ends a task at ten minutes: a chunk that waits for slow providers is handed on well before.
LONGEST_S = 480.0
# While the last answers of a chunk are on their way the next one is begun, for so long after the first, so many at once.
CLAIMS_FOR_S = 120.0
MOST_AT_ONCE = 3
# The next one is begun early: while what is left keeps its providers busy for the time of two answers.
ANSWERS_AHEAD = 2

log = structlog.get_logger(__name__)


class ChunkLostError(Exception):
    """The chunk was cancelled, or another attempt has taken it over: nothing more may be written."""


def new_owner() -> str:
    """Who claims: host, process, and a word of its own for each claim."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(4)}"


def work() -> Generator[int, None, None]:
    """Works through the chunks that come first, at least one if any waits; the run of each as soon as the chunk has ended.

    The order is the database's, whichever chunk's message woke the worker. A chunk ends done, handed on after
    eight minutes, or left to whoever took it over. A bug leaves the lease to run out: the sweeper starts another
    attempt, three in all.
    """
    _free_from_the_dead()
    shift = _Shift()
    try:
        yield from shift.work()
    finally:
        shift.abandon()


class _Shift:
    """The chunks that this process works on at the same time."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._arrivals = Arrivals()
        self._works: dict[Batch, _Work] = {}
        self._ended: list[int] = []

    def work(self) -> Iterator[int]:
        """The runs of chunks that have ended; questions of the others are on their way meanwhile."""
        self._claim()
        yield from self._runs_of_ended()
        while self._works:
            outcomes = self._arrivals.collect(most=self._until_room())
            for batch, one in list(self._works.items()):
                self._go_on(batch, one, outcomes.get(batch, []))
            while self._has_room():
                if not self._claim():
                    # While the last answers are on their way: what the verdict takes.
                    judging.read_ahead(one.suite_version for one in self._works.values())
                    break
            yield from self._runs_of_ended()

    def abandon(self) -> None:
        """Stops asking; what is not saved will be asked again by whoever goes on."""
        for batch in self._works:
            batch.abandon()

    def _claim(self) -> bool:
        chunk = claim_next(owner=new_owner(), lease_s=LEASE_S)
        if chunk is None:
            return False
        Run.objects.filter(pk=chunk.run_id, state=RunState.QUEUED).update(state=RunState.RUNNING, started_at=Now())
        run = run_of(chunk)
        purse = Purse(chunk) if run.has_budget else None
        batch = Batch(machinery(), self._arrivals, purse)
        self._works[batch] = work = _Work(chunk, run, batch, purse)
        self._guarded(batch, work, work.begin)
        return True

    def _runs_of_ended(self) -> Iterator[int]:
        while self._ended:
            yield self._ended.pop()

    def _has_room(self) -> bool:
        """Whether so little is left that the providers could soon bear more."""
        return self._may_claim() and self._left() < self._enough()

    def _until_room(self) -> int:
        """How many answers to wait for: as many as make room for another chunk, or half of what is left.

        By halves, so that little is to be scored and saved once the very last has come.
        """
        left = self._left()
        spare = left - self._enough()
        return spare + 1 if spare >= 0 and self._may_claim() else max(1, left // 2)

    def _may_claim(self) -> bool:
        is_early = time.monotonic() - self._began < CLAIMS_FOR_S
        return is_early and 0 < len(self._works) < MOST_AT_ONCE

    def _left(self) -> int:
        return sum(batch.left for batch in self._works)

    def _enough(self) -> int:
        return ANSWERS_AHEAD * max(one.capacity for one in self._works.values())

    def _go_on(self, batch: Batch, one: "_Work", outcomes: list[Outcome]) -> None:
        is_late = time.monotonic() - self._began >= LONGEST_S
        self._guarded(batch, one, lambda: one.go_on(outcomes, is_late=is_late))

    def _guarded(self, batch: Batch, one: "_Work", step: Callable[[], bool]) -> None:
        """Takes a step of a chunk; it is put away once it has ended or is lost."""
        try:
            is_over = step()
        except ChunkLostError:
            log.info("chunk.lost", chunk=one.chunk.pk, run=one.chunk.run_id, attempt=one.chunk.attempt)
            is_over = True
        if is_over:
            del self._works[batch]
            batch.abandon()
            self._ended.append(one.chunk.run_id)


class _Work:
    """One chunk being worked on. Each step returns whether it is over, and raises ChunkLostError when it is not ours."""

    def __init__(self, chunk: RunChunk, run: Run, batch: Batch, purse: Purse | None) -> None:
        self.chunk = chunk
        self.suite_version = run.suite_version
        self.capacity = 0
        self._run = run
        self._purse = purse
        self._batch = batch
        self._beat_at = time.monotonic()
        self._grader: Grader | None = None

    def begin(self) -> bool:
        prepared = prepare(self.chunk, self._run)
        self._grader = Grader(prepared, self._beat)
        self.capacity = prepared.capacity
        for piece in prepared.pieces(self._beat):
            self._grader.expect(piece)
            self._batch.add(piece.asks)
            self._save([*piece.unaskable, *self._results(piece.known)])
        return self.go_on([], is_late=False)

    def go_on(self, outcomes: Sequence[Outcome], *, is_late: bool) -> bool:
        self._save(self._results(outcomes))
        self._beat()
        self._balance()
        if self._batch.left and not is_late:
            return False
        ended = jobs.hand_on(self.chunk) if self._batch.left else jobs.finish(self.chunk)
        if not ended:
            raise ChunkLostError
        return True

    def _balance(self) -> None:
        """Takes what the questions that wait may cost; ends the run where that would exceed its budget."""
        reason = self._purse.balance() if self._purse else ""
        if reason:
            stop(self.chunk.run_id, reason)
            raise ChunkLostError

    def _results(self, outcomes: Sequence[Outcome]) -> list[Result]:
        """What these complete; who judges is asked before anything else."""
        assert self._grader is not None
        results = self._grader.take(outcomes)
        self._batch.add(self._grader.questions(), come_first=True)
        return results

    def _beat(self) -> None:
        """Moves the lease on every two seconds; notices when the chunk is no longer ours."""
        now = time.monotonic()
        if now - self._beat_at < HEARTBEAT_S:
            return
        self._beat_at = now
        if not jobs.extend(self.chunk, lease_s=LEASE_S):
            raise ChunkLostError

    def _save(self, results: Sequence[Result]) -> None:
        if results:
            assert self._grader is not None
            _save(self.chunk, results, self._grader.replies())


def _save(chunk: RunChunk, results: Sequence[Result], replies: Sequence[JudgeReply]) -> None:
    """Writes results, and what judges said of them, exactly once; raises ChunkLostError when the chunk is no longer ours."""
    errors = sum(bool(result.error) for result in results)
    with transaction.atomic():
        counted = jobs.held(chunk).update(done=F("done") + len(results), errors=F("errors") + errors)
        if not counted:
            raise ChunkLostError
        copy_in(results)
        if replies:
            copy_in(replies)


def _free_from_the_dead() -> None:
    """Ends the leases of owners on this very host whose process is gone, so that nobody waits for them to run out.

    A message that comes again says that a process died, not which chunks it held: those of the message, or others.
    """
    here = f"{socket.gethostname()[:32]}:"
    held = RunChunk.objects.filter(state="running", lease_until__gte=Now(), owner__startswith=here)
    owners = set(held.values_list("owner", flat=True))
    pids = {owner: owner.removeprefix(here).partition(":")[0] for owner in owners}
    gone = [owner for owner, pid in pids.items() if pid.isdecimal() and not _is_running(int(pid))]
    if gone:
        RunChunk.objects.filter(state="running", owner__in=gone).update(lease_until=Now())


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
