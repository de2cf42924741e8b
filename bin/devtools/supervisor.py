"""A small supervisor: starts parts, prefixes what they print, starts again what crashes, stops everything together.

One thread, one loop. Until all is ready a part that ends stops everything. After that it is started again, waiting 1, 2, 4,
… 30 s; at the fifth crash within two minutes an essential part stops everything with exit code 1, any other is left off.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from devtools.words import Stop, plural
from registry.processes import Identity, identify, is_alive, marked, signal_group

COLOURS = (36, 32, 35, 34, 33, 96, 92)
LONGEST_LINE = 65_536
CRASHES = 5
CRASH_WINDOW_S = 120.0
LONGEST_WAIT_S = 30.0
MARK = "GREENROOM_RUN"
OWN_NAME = "greenroom"


@dataclass(frozen=True)
class Part:
    """One program. `stop_with`: signals in order, each with the seconds it is given; after the last the group is killed.

    `is_asked`: others ask it until they have ended, so that it is stopped after them.
    """

    name: str
    command: tuple[str, ...]
    stop_with: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 5.0),)
    is_essential: bool = True
    is_asked: bool = False


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    rest: bytes = b""
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=CRASHES))
    start_at: float | None = None
    stop_step: int = -1
    stop_deadline: float = 0.0


class Supervisor:
    """Runs parts until it is told to stop. Used by one thread, once."""

    def __init__(self, record: Path, folder: Path, *, output: IO[str] | None = None) -> None:
        self._record = record
        self._mark = os.urandom(12).hex()
        self._environment: dict[str, str] = {}
        self._folder = folder
        self._output = output or sys.stdout
        self._is_coloured = self._output.isatty() and "NO_COLOR" not in os.environ
        self._parts: dict[str, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._stops = 0
        self._failure = ""
        self._is_ready = False
        self._width = len(OWN_NAME)

    # What it says

    def say(self, line: str, name: str = OWN_NAME) -> None:
        """One prefixed line."""
        prefix = f"{name:<{self._width}} |"
        if self._is_coloured:
            place = list(self._parts).index(name) if name in self._parts else -1
            prefix = f"\033[{COLOURS[place % len(COLOURS)] if place >= 0 else 1}m{prefix}\033[0m"
        self.write(f"{prefix} {line}\n")

    def write(self, text: str) -> None:
        """Text as it is. A reader that has gone away is a wish to stop."""
        try:
            self._output.write(text)
            self._output.flush()
        except (BrokenPipeError, OSError):
            self._stops = max(self._stops, 1)

    # What it does

    def catch_signals(self) -> None:
        """Ctrl-C and SIGTERM stop everything in order; the second one at once."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._stop_asked)

    @property
    def is_stopping(self) -> bool:
        return self._stops > 0 or bool(self._failure)

    def use(self, environment: Mapping[str, str]) -> None:
        """The environment of the parts that are started from now on."""
        self._environment = {**environment, MARK: self._mark}

    def add(self, part: Part) -> None:
        """Starts one part."""
        self._width = max(self._width, len(part.name))
        self._parts[part.name] = _Running(part)
        self._start(self._parts[part.name])

    def run_once(self, name: str, command: tuple[str, ...]) -> None:
        """Runs a command to its end, its lines prefixed. Raises Stop when it fails."""
        self.add(Part(name, command))
        running = self._parts[name]
        while running.process is not None and running.process.poll() is None and not self.is_stopping:
            self._read(0.1)
        code = self._finish(running)
        del self._parts[name]
        if code and not self.is_stopping:
            raise Stop(f"{name} failed with {_ending(code)}: see its lines above.")

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Works on until `is_ready`; a part that ends before that ends everything. Raises Stop."""
        deadline = time.monotonic() + timeout_s
        while not self.is_stopping and not is_ready():
            if time.monotonic() > deadline:
                raise Stop(f"The server does not answer after {timeout_s:.0f} s: see its lines above.")
            self._read(0.1)
            self._look_after_parts()
        self._is_ready = True

    def loop(self, watch: Callable[[], tuple[str, ...]]) -> int:
        """Works until a signal or a failure; `watch` revives engines and names them. 0 when it was asked to stop, else 1."""
        next_watch = time.monotonic() + 1.0
        while not self.is_stopping:
            self._read(0.25)
            self._look_after_parts()
            if time.monotonic() >= next_watch:
                for name in watch():
                    self.say(f"{name} had died and was started again.")
                next_watch = time.monotonic() + 1.0
        if self._failure:
            self.say(self._failure)
        return 1 if self._failure else 0

    def stop(self) -> None:
        """Stops every part, all at the same time, and after them those that they ask; returns when none is left."""
        if any(running.process for running in self._parts.values()):
            self.say("Stopping …")
        asked = self._stops
        for is_asked in (False, True):
            while left := [one for one in self._parts.values() if one.process and one.part.is_asked is is_asked]:
                for running in left:
                    self._stop_further(running, at_once=self._stops > max(asked, 1))
                self._read(0.05)
        self._record.unlink(missing_ok=True)

    # How

    def _stop_asked(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1

    def _start(self, running: _Running) -> None:
        running.start_at = None
        running.process = subprocess.Popen(
            running.part.command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert running.process.stdout is not None
        os.set_blocking(running.process.stdout.fileno(), False)
        self._selector.register(running.process.stdout, selectors.EVENT_READ, running)
        self._write_record()

    def _write_record(self) -> None:
        pids = {name: running.process.pid for name, running in self._parts.items() if running.process is not None}
        found = {name: identity for name, pid in pids.items() if (identity := identify(pid)) is not None}
        text = json.dumps(
            {
                "supervisor": asdict(identify(os.getpid()) or Identity(os.getpid(), "")),
                "mark": self._mark,
                "url": self._environment.get("PUBLIC_URL", ""),
                "parts": {name: asdict(identity) for name, identity in found.items()},
            }
        )
        unfinished = self._record.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.replace(self._record)

    def _read(self, timeout_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout_s)
            return
        for key, _ in self._selector.select(timeout_s):
            self._drain(key.data, key.fd)

    def _drain(self, running: _Running, fd: int) -> bool:
        """Prints what is there to read; False when there is nothing more for now."""
        try:
            chunk = os.read(fd, LONGEST_LINE)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(fd)
        *lines, running.rest = (running.rest + chunk).split(b"\n")
        if running.rest and (not chunk or len(running.rest) > LONGEST_LINE):
            lines, running.rest = [*lines, running.rest], b""
        for line in lines:
            self.say(line.decode(errors="replace").rstrip("\r"), running.part.name)
        return bool(chunk)

    def _finish(self, running: _Running) -> int:
        """Takes leave of a part: kills what is left of its group, prints its last lines. Its exit code."""
        process = running.process
        assert process is not None
        assert process.stdout is not None
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
        fd = process.stdout.fileno()
        while fd in self._selector.get_map() and self._drain(running, fd):
            pass
        if fd in self._selector.get_map():  # a process in a session of its own may keep the pipe open
            self._selector.unregister(fd)
        process.stdout.close()
        running.process = None
        return process.returncode

    def _look_after_parts(self) -> None:
        for running in list(self._parts.values()):
            if running.process is not None and running.process.poll() is not None:
                self._crashed(running, self._finish(running))
            elif running.start_at is not None and time.monotonic() >= running.start_at:
                self._start(running)

    def _crashed(self, running: _Running, code: int) -> None:
        part, now = running.part, time.monotonic()
        running.crashes.append(now)
        recent = sum(1 for moment in running.crashes if now - moment < CRASH_WINDOW_S)
        if part.is_essential and (not self._is_ready or recent >= CRASHES):
            often = "before Greenroom was ready" if not self._is_ready else f"for the {CRASHES}th time in two minutes"
            self._failure = (
                f"{part.name} ended with {_ending(code)} {often}: stopping everything. Its last lines are above."
            )
        elif recent >= CRASHES:
            self.say(f"{part.name} ended with {_ending(code)} once more and is left off; everything else goes on.")
        else:
            wait_s = min(2.0 ** (recent - 1), LONGEST_WAIT_S)
            running.start_at = now + wait_s
            self.say(f"{part.name} ended with {_ending(code)}; starting it again in {wait_s:.0f} s.")
        self._write_record()

    def _stop_further(self, running: _Running, *, at_once: bool) -> None:
        process, steps = running.process, running.part.stop_with
        assert process is not None
        if process.poll() is not None or at_once or running.stop_step >= len(steps):
            self._finish(running)
        elif running.stop_step < 0 or time.monotonic() >= running.stop_deadline:
            running.stop_step += 1
            if running.stop_step < len(steps):
                number, patience_s = steps[running.stop_step]
                process.send_signal(number)
                running.stop_deadline = time.monotonic() + patience_s


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def clean_up(record: Path) -> str:
    """Ends what a killed supervisor left running, known by pid and start time; says how much it was, "" for nothing."""
    try:
        found = json.loads(record.read_text())
        named = {Identity(int(part["pid"]), str(part["started"])) for part in found["parts"].values()}
        mark = f"{MARK}={found['mark']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    left = {identity for identity in named if is_alive(identity)} | set(marked(mark))
    for number, patience_s in ((signal.SIGTERM, 4.0), (signal.SIGKILL, 4.0)):
        deadline = time.monotonic() + patience_s
        for identity in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it may end at this very moment
                if is_alive(identity):
                    os.kill(identity.pid, number)
        while any(map(is_alive, left)) and time.monotonic() < deadline:
            time.sleep(0.05)
    record.unlink(missing_ok=True)
    return f"Ended {plural(len(left), 'process')} that a killed run had left." if left else ""
