"""The parent's end of the process that starts render workers: asked for one, told to end one, replaced when it died."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from prompts_app.sandbox.framing import END, ORDER, OUTCOME, START, UNKNOWN

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-E", "-s", "-B", "-m", "prompts_app.sandbox.starter")
START_SECONDS = 15.0


class NoStart(Exception):
    """No worker can be started; says why where the system told it."""


class Starter:
    """One per process, begun when the first worker is wanted. Safe between threads; after a fork the child begins its own."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()
        os.register_at_fork(after_in_child=self._after_fork)

    def start(self, jobs: int, answers: int) -> int:
        """The pid of a new worker that reads jobs from the one file and writes answers to the other. Raises NoStart."""
        with self.lock:
            try:
                pid = self._ask(START, 0, [jobs, answers])
            except NoStart:  # it was killed since it was last asked, or cannot begin: only a fresh one tells
                pid = self._ask(START, 0, [jobs, answers])
        if not pid:
            raise NoStart("The system has no room for one more process.")
        return pid

    def end(self, pid: int) -> int | None:
        """Kill a worker of ours and leave no zombie: how it ended, None when that is not known.

        Where the starter itself was killed, so were the means to know that this pid is still the worker's: it ends by
        its limit of processor time, or as its pipe closes.
        """
        with self.lock:
            if self.process is None:
                return None
            try:
                how = self._ask(END, pid, [])
            except NoStart:
                return None
        return None if how == UNKNOWN else how

    def close(self) -> None:
        """End the process; the next worker begins another."""
        with self.lock:
            self._end()

    def _ask(self, what: int, pid: int, files: Sequence[int]) -> int:
        """What the process answers; it is ended where it did not. Raises NoStart."""
        try:
            if self.process is None:
                self._begin()
            socket.send_fds(self.asker, [ORDER.pack(what, pid)], files)
            outcome = self.asker.recv(OUTCOME.size)
            if len(outcome) < OUTCOME.size:
                raise ConnectionError("The process that starts render workers ended.")
        except OSError as error:
            raise NoStart(self._end() or str(error)) from error
        except BaseException:  # whatever it was, an answer may still be under way: never read it as the next one's
            self._end()
            raise
        (told,) = OUTCOME.unpack(outcome)
        return int(told)

    def _begin(self) -> None:
        self.asker, theirs = socket.socketpair()
        self.asker.settimeout(START_SECONDS)
        with theirs:
            self.process = subprocess.Popen(
                COMMAND,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                env={},
                start_new_session=True,
            )

    def _end(self) -> str:
        """End the process, and say what it said last."""
        if self.process is None:
            return ""
        self.process.kill()
        _, errors = self.process.communicate()
        self.asker.close()
        self.process = None
        return errors.decode(errors="replace").strip()[-2000:]

    def _after_fork(self) -> None:
        """The process is our parent's: nobody here asks it, or waits for it."""
        if self.process is not None:
            self.process.returncode = 0
            self.asker.close()
            if self.process.stderr is not None:
                with contextlib.suppress(OSError):
                    self.process.stderr.close()
        self.process, self.lock = None, threading.Lock()


STARTER = Starter()
atexit.register(STARTER.close)
