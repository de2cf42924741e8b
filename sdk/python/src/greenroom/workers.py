"""Threads of our own that fetch in the background: daemons, so that nothing hanging keeps a process from ending."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger("greenroom")


class Workers:
    """Work done by a few threads, started at first use."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def submit(self, work: Callable[[], None]) -> None:
        """Do it soon; RuntimeError while the interpreter ends."""
        self._queue.put(work)
        with self._lock:
            while len(self._threads) < self._count:
                thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """No more work after what is queued."""
        with self._lock:
            for _ in self._threads:
                self._queue.put(None)
            self._threads = []

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception:
                log.exception("greenroom: a bug in the background; what is known stays")
