"""The parent's end of a render worker: start it, give it a job with a deadline, kill it when it does not answer."""

from __future__ import annotations

import contextlib
import json
import os
import select
import time
from collections.abc import Iterator, Sequence

from prompts_app.sandbox.framing import ANSWER
from prompts_app.sandbox.starting import STARTER
from registry.core.canonical import JSON

START_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
JOBS_AHEAD = 4


class WorkerGone(Exception):
    """The worker ended without an answer."""


class WorkerLate(Exception):
    """The worker did not answer in time and was killed."""


class Worker:
    """One worker process. Not for two threads at once; a fork of this process must `forget` it."""

    def __init__(self) -> None:
        jobs, ours = os.pipe()
        theirs, answers = os.pipe()
        self.streams = (os.fdopen(ours, "wb", buffering=0), os.fdopen(theirs, "rb", buffering=0))
        self.jobs, self.answers = ours, theirs
        self.pid = 0
        self.is_worn = False
        os.set_blocking(self.jobs, False)
        os.set_blocking(self.answers, False)
        try:
            try:
                self.pid = STARTER.start(jobs, answers)
            finally:
                os.close(jobs)
                os.close(answers)
            self._receive(time.monotonic() + START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def ask(self, job: bytes, *, timeout_s: float) -> dict[str, JSON]:
        """The answer to a packed job. Raises WorkerLate or WorkerGone; the worker is then dead."""
        deadline = time.monotonic() + timeout_s
        try:
            self._send(job, deadline)
            answer = self._receive(deadline)
        except BaseException:  # whatever it was, an answer may still be under way: never read it as the next one's
            self.kill()
            raise
        self.is_worn = bool(answer.get("worn"))
        return answer

    def ask_many(self, jobs: Sequence[bytes], *, timeout_s: float, within_s: float) -> list[dict[str, JSON]]:
        """The answers to the first of these packed jobs, a few of which are always written ahead.

        To all of them, unless `within_s` is over or one of them ends the worker; `timeout_s` is for each.
        """
        answers: list[dict[str, JSON]] = []
        try:
            for answer in self._stream(jobs, timeout_s, within_s):
                answers.append(answer)
                self.is_worn = bool(answer.get("worn"))
        except (WorkerLate, WorkerGone):
            self.kill()
            self.is_worn = True
        except BaseException:
            self.kill()
            raise
        return answers

    def kill(self) -> int | None:
        """End it now, and leave no zombie: how it ended, where that is known and it had not been ended before."""
        how = STARTER.end(self.pid)
        self.forget()
        return how

    def forget(self) -> None:
        """Close this process's ends of the pipes. After a fork that is all: the worker is the parent's."""
        for stream in self.streams:
            with contextlib.suppress(OSError):
                stream.close()

    def _stream(self, jobs: Sequence[bytes], timeout_s: float, within_s: float) -> Iterator[dict[str, JSON]]:
        """Keeps some jobs ahead of the worker, and yields its answers as they come."""
        view, buffer = memoryview(b""), bytearray()
        sent = answered = 0
        began = time.monotonic()
        while True:
            if not view and sent < len(jobs) and time.monotonic() - began < within_s:
                ahead = jobs[sent : answered + JOBS_AHEAD]
                view, sent = memoryview(b"".join(ahead)), sent + len(ahead)
            if answered == sent:
                return
            ready = self._ready(view, timeout_s)
            if self.jobs in ready:
                with contextlib.suppress(BlockingIOError):
                    view = view[self._write(view) :]
            if self.answers in ready:
                buffer += self._piece()
                while (frame := _take_frame(buffer)) is not None:
                    answered += 1
                    answer: dict[str, JSON] = json.loads(frame)
                    yield answer
                    if answer.get("worn"):
                        return

    def _ready(self, view: memoryview, timeout_s: float) -> dict[int, int]:
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        if view:
            poll.register(self.jobs, select.POLLOUT)
        ready = dict(poll.poll(timeout_s * 1000))
        if not ready:
            raise WorkerLate("The render worker took too long.")
        return ready

    def _write(self, view: memoryview) -> int:
        try:
            return os.write(self.jobs, view)
        except BrokenPipeError:
            raise WorkerGone("The render worker ended.") from None

    def _piece(self) -> bytes:
        piece = os.read(self.answers, 1 << 20)
        if not piece:
            raise WorkerGone("The render worker ended.")
        return piece

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._write(view) :]
            except BlockingIOError:
                self._wait(self.jobs, select.POLLOUT, deadline)

    def _receive(self, deadline: float) -> dict[str, JSON]:
        (size,) = ANSWER.unpack(self._read(ANSWER.size, deadline))
        if size > MAX_ANSWER_BYTES:
            raise WorkerGone("The render worker spoke nonsense.")
        answer: dict[str, JSON] = json.loads(self._read(size, deadline))
        return answer

    def _read(self, size: int, deadline: float) -> bytes:
        pieces: list[bytes] = []
        while size:
            try:
                piece = os.read(self.answers, min(size, 1 << 20))
            except BlockingIOError:
                self._wait(self.answers, select.POLLIN, deadline)
                continue
            if not piece:
                raise WorkerGone("The render worker ended.")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _wait(self, stream: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(stream, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise WorkerLate("The render worker took too long.")


def _take_frame(buffer: bytearray) -> bytes | None:
    """The first whole answer, taken out of the buffer; None while there is none."""
    if len(buffer) < ANSWER.size:
        return None
    (size,) = ANSWER.unpack_from(buffer)
    if size > MAX_ANSWER_BYTES:
        raise WorkerGone("The render worker spoke nonsense.")
    end = ANSWER.size + size
    if len(buffer) < end:
        return None
    frame = bytes(buffer[ANSWER.size : end])
    del buffer[:end]
    return frame
