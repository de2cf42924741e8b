"""Starts render workers: one process that has loaded what a render needs, and forks itself for each worker.

Run as `python -m prompts_app.sandbox.starter` with one end of a socket as its standard input. A fork takes a few
milliseconds where a fresh interpreter takes 200. It reads no template, holds no secret, and waits for nobody: the
workers that it forks limit themselves, and it ends when the other end of the socket closes.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence

from prompts_app.sandbox.framing import ORDER, OUTCOME, START, UNKNOWN
from prompts_app.sandbox.worker import serve


def main() -> None:
    """Do what is asked, one thing after the other, until nobody can ask any more.

    Who asks may come before others on the same processors; templates of users never do.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))
    gc.freeze()
    workers: set[int] = set()
    with socket.socket(fileno=os.dup(0)) as asker, contextlib.suppress(ConnectionError):
        while order := _order(asker):
            (what, pid), files = order
            if what == START:
                outcome = _fork(files, asker)
                workers.add(outcome)
            else:
                outcome = _end(pid) if pid and pid in workers else UNKNOWN
                workers.discard(pid)
            asker.sendall(OUTCOME.pack(outcome))


def _order(asker: socket.socket) -> tuple[tuple[int, int], list[int]] | None:
    """The next order with the ends of the pipes that came with it; None when there is nobody left to ask."""
    data, files, _, _ = socket.recv_fds(asker, ORDER.size, 2)
    while 0 < len(data) < ORDER.size:
        more = asker.recv(ORDER.size - len(data))
        data = data + more if more else b""
    return (ORDER.unpack(data), files) if data else None


def _fork(files: Sequence[int], asker: socket.socket) -> int:
    """A worker that reads and writes these files: its pid, or 0 when the system has no room for it."""
    try:
        pid = os.fork()
    except OSError:
        return 0
    else:
        if pid == 0:
            asker.close()
            _be_worker(*files)
        return pid
    finally:
        for file in files:
            os.close(file)


def _be_worker(jobs: int, answers: int) -> None:
    try:
        os.setsid()
        os.dup2(jobs, 0)
        os.dup2(answers, 1)
        for file in (jobs, answers):
            os.close(file)
        serve()
        os._exit(0)
    finally:
        os._exit(1)


def _end(pid: int) -> int:
    """Kill a worker and leave no zombie; how it ended, as `os.waitstatus_to_exitcode` says it."""
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.setrecursionlimit(1000)
    main()
