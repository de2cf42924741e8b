"""Telling the registry which versions are served: counted in memory, sent in one piece at most once a minute, never waited for."""

from __future__ import annotations

import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from greenroom import __version__
from greenroom.templates.values import JSON

EVERY_S = 60.0
FIRST_AFTER_S = 10.0
# What the server takes at once; what is beyond is left out rather than kept for later.
MOST_ENTRIES = 500

# `refused`: this server or key takes no reports, and will take none later.
type Sent = Literal["taken", "failed", "refused"]
type Served = tuple[str, int, str]


@dataclass
class Pending:
    """How often a version was given since the last report that was taken, and when for the last time."""

    count: int
    last: float


class Reports:
    """Counts what `get` gives. Safe between threads, except that a count may be lost when two meet: it is no bill."""

    def __init__(self, send: Callable[[JSON, str], Sent]) -> None:
        self._send = send
        self._batch: tuple[JSON, str] | None = None
        self._pending: dict[Served, Pending] = {}
        self.served: dict[Served, int] = {}
        self.is_refused = False

    def tell(self) -> None:
        """Send what is pending. Where that fails the same report goes out again the next time, so that it counts once."""
        self._gather()
        if self._batch is None and self._pending:
            self._batch, self._pending = (_report(self._pending), uuid.uuid4().hex), {}
        if self._batch is None:
            return
        outcome = self._send(*self._batch)
        self.is_refused = outcome == "refused"
        if outcome == "taken":
            self._batch = None

    def run(self, stop: threading.Event) -> None:
        """Tell until `stop`, or until the server says that it takes none."""
        pause = FIRST_AFTER_S
        while not self.is_refused and not stop.wait(random.uniform(1, 1.2) * pause):  # noqa: S311 - spreads callers
            self.tell()
            pause = EVERY_S

    def _gather(self) -> None:
        served, self.served = self.served, {}
        now = time.time()
        for key, count in list(served.items()):
            known = self._pending.get(key)
            if known is not None:
                known.count, known.last = known.count + count, now
            elif len(self._pending) < MOST_ENTRIES:
                self._pending[key] = Pending(count, now)


def _report(pending: Mapping[Served, Pending]) -> JSON:
    entries: Sequence[JSON] = [
        {
            "name": name,
            "version": version,
            "digest": digest,
            "count": min(one.count, 2**31 - 1),
            "last_served_at": datetime.fromtimestamp(one.last, UTC).isoformat(),
        }
        for (name, version, digest), one in pending.items()
    ]
    client: JSON = {"name": "greenroom-python", "version": __version__, "host": socket.gethostname()[:200]}
    return {"client": client, "prompts": list(entries)}
