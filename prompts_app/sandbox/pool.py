"""The render workers of this process: a few, lent to one thread at a time, replaced when they die, forgotten by a fork."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from prompts_app.sandbox.pipe import Worker, WorkerGone
from prompts_app.sandbox.starting import NoStart
from registry.core.canonical import JSON
from registry.core.errors import Unavailable

BUSY_SECONDS = 10.0
# So many threads wait that long. Others give up after a second in which hardly a job has ended: templates that take all their
# time then leave threads to pages, and many quick ones at once are waited for.
PATIENT, IMPATIENT_SECONDS, MOVING = 4, 1.0, 8


class Pool:
    """At most `size` workers, started when they are needed. Safe between threads."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.reset()
        os.register_at_fork(after_in_child=self._after_fork)

    def reset(self) -> None:
        self.slots = threading.BoundedSemaphore(self.size)
        self.lock = threading.Lock()
        self.idle: list[Worker] = []
        self.alive: set[Worker] = set()
        self.waiting = 0
        self.ended = 0

    def ask(self, job: bytes, *, timeout_s: float) -> dict[str, JSON]:
        """The answer to a packed job. A worker that was found dead is replaced once, unseen.

        Raises WorkerLate (out of time), WorkerGone (it died of this job), Unavailable `sandbox.busy` when all workers
        stay busy, `sandbox.down` when none can be started.
        """
        with self._slot():
            return self._ask(job, timeout_s)

    def ask_many(self, jobs: Sequence[bytes], *, timeout_s: float, within_s: float) -> list[dict[str, JSON]]:
        """The answers to the first of these jobs: to all, unless one ended its worker or `within_s` is over."""
        with self._slot():
            with self.lock:
                worker = self.idle.pop() if self.idle else None
            worker = worker or self._start()
            return self._lend(worker, lambda: worker.ask_many(jobs, timeout_s=timeout_s, within_s=within_s))

    def close(self) -> None:
        """End all workers; the next job starts a new one."""
        with self.lock:
            workers, self.idle, self.alive = self.alive, [], set()
        for worker in workers:
            worker.kill()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        slots = self.slots
        with self.lock:
            self.waiting += 1
            is_patient, ended = self.waiting <= PATIENT, self.ended
        try:
            is_ours = slots.acquire(timeout=BUSY_SECONDS if is_patient else min(BUSY_SECONDS, IMPATIENT_SECONDS))
            if not is_ours and not is_patient and self.ended - ended >= MOVING:
                is_ours = slots.acquire(timeout=max(0.0, BUSY_SECONDS - IMPATIENT_SECONDS))
        finally:
            with self.lock:
                self.waiting -= 1
        if not is_ours:
            detail = "Too many templates are being rendered. Try again in a moment."
            raise Unavailable("sandbox.busy", detail, retry_after=2)
        try:
            yield
        finally:
            with self.lock:
                self.ended += 1
            slots.release()

    def _ask(self, job: bytes, timeout_s: float) -> dict[str, JSON]:
        with self.lock:
            worker = self.idle.pop() if self.idle else None
        if worker is not None:
            old, began = worker, time.monotonic()
            try:
                return self._lend(old, lambda: old.ask(job, timeout_s=timeout_s))
            except WorkerGone:  # it may have been dead before: only a fresh one tells whether the job kills
                timeout_s -= time.monotonic() - began
        fresh = self._start()
        return self._lend(fresh, lambda: fresh.ask(job, timeout_s=timeout_s))

    def _lend[Given](self, worker: Worker, work: Callable[[], Given]) -> Given:
        is_kept = False
        try:
            answer = work()
            is_kept = not worker.is_worn
            return answer
        finally:
            with self.lock:
                if is_kept and worker in self.alive:
                    self.idle.append(worker)
                else:
                    self.alive.discard(worker)
            if not is_kept:
                worker.kill()

    def _start(self) -> Worker:
        try:
            worker = Worker()
        except (OSError, NoStart, WorkerGone) as error:
            raise Unavailable("sandbox.down", "The render worker cannot be started.") from error
        with self.lock:
            self.alive.add(worker)
        return worker

    def _after_fork(self) -> None:
        for worker in self.alive:
            worker.forget()
        self.reset()
