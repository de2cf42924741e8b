"""Processes as the system knows them: who descends from whom, and what they hold."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def descendants(pid: int) -> set[int]:
    """The processes below one, as they are now."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            children[int(stat.read_text().rpartition(")")[2].split()[1])].append(int(stat.parent.name))
        except OSError:
            continue
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children[waiting.pop()]
        found.update(below)
        waiting += below
    return found


def memory_mb(pids: set[int]) -> float:
    """Resident memory of some processes together; those that are gone hold nothing."""
    total = 0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += int(status.split("VmRSS:")[1].split()[0]) if "VmRSS:" in status else 0
    return total / 1024


def command_of(pid: int) -> str:
    """Its command line; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Who measures here stands for a client on another machine: where the system lets it, it waits for no processor."""
    with suppress(AttributeError, PermissionError):  # another system; not root
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        with suppress(AttributeError, PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
