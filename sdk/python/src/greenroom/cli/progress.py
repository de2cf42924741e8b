"""How far a run is: a bar on a terminal, a line now and then anywhere else. Standard error, so that output stays output."""

import shutil
import sys
import time
from typing import TextIO

from greenroom.cli.report import Run
from greenroom.cli.words import one_line

# Some CI systems end jobs that say nothing for a while.
SAY_SOMETHING_EVERY_S = 30.0
TENTHS = 10


class Screen:
    """What is told while the command works."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._has_bar = False
        self._started = time.monotonic()
        self._said_at = float("-inf")
        self._said: tuple[str, int, int] = ("", -1, 0)

    def tell(self, text: str) -> None:
        """A line of its own."""
        self.clear()
        self._write(f"{one_line(text)}\n")

    def show(self, run: Run) -> None:
        """How far the run is, if that is worth saying now."""
        if self._is_terminal:
            self._write(f"\r{self._bar(run)}\x1b[K")
            self._has_bar = True
            return
        now = time.monotonic()
        state = (run.state, TENTHS * run.done // max(run.total, 1), min(run.errors, 1))
        if state != self._said or now - self._said_at >= SAY_SOMETHING_EVERY_S:
            self._said, self._said_at = state, now
            self._write(f"{run.state}: {run.done} of {run.total} answers{_errors(run)}\n")

    def clear(self) -> None:
        """Take the bar away."""
        if self._has_bar:
            self._write("\r\x1b[K")
            self._has_bar = False

    def _bar(self, run: Run) -> str:
        seconds = int(time.monotonic() - self._started)
        tail = f" {run.done}/{run.total}{_errors(run)} {seconds // 60}:{seconds % 60:02d}"
        width = max(10, min(40, shutil.get_terminal_size().columns - len(tail) - len(run.state) - 5))
        filled = width * run.done // max(run.total, 1)
        return f"{run.state} [{'#' * filled}{'.' * (width - filled)}]{tail}"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _errors(run: Run) -> str:
    return f", {run.errors} in error" if run.errors else ""
