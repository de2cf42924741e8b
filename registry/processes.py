"""Which process is which: a pid alone is no name, since pids are used again; a pid with its start time is.

Standard library only. Linux is read from /proc; elsewhere `ps` answers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Identity:
    """A process for good: `started` differs between any two processes that ever had the same pid on this machine."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The process that has this pid now; None when there is none or only its zombie is left."""
    if pid <= 0:
        return None
    found = _from_proc(pid) if (PROC / "self" / "stat").exists() else _from_ps(pid)
    return found if found is None else Identity(pid, found)


def is_alive(identity: Identity | None) -> bool:
    """True while that very process runs (a zombie does not, nor another process with the same pid)."""
    return identity is not None and identify(identity.pid) == identity


def wait_gone(identity: Identity, timeout_s: float) -> bool:
    """Waits until the process has ended; False when it still runs after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while is_alive(identity):
        if time.monotonic() > deadline:
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(identity.pid, os.WNOHANG)
        time.sleep(0.02)
    return True


def end(identity: Identity, *, grace_s: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Asks the process to end with `first`, and kills it after `grace_s`; nothing happens to another with its pid."""
    for number, patience_s in ((first, grace_s), (signal.SIGKILL, 5.0)):
        if not is_alive(identity):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, number)
        if wait_gone(identity, patience_s):
            return


def signal_group(pgid: int, number: signal.Signals) -> bool:
    """Sends a signal to a process group; False when no process of it is left."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def marked(marker: str) -> Iterator[Identity]:
    """Processes of ours whose environment holds `marker` ("NAME=value"), as their starter left it. Linux only."""
    wanted = marker.encode()
    for folder in PROC.glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        identity = identify(int(folder.name)) if wanted in environment else None
        if identity is not None and identity.pid != os.getpid():
            yield identity


def _from_proc(pid: int) -> str | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    return f"{_boot()}-{fields[19]}"


@functools.cache
def _boot() -> str:
    """Start times count from boot: the same number may come again after it."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return "boot"


def _from_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 (wherever the system keeps it)
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
