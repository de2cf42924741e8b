"""The read plane's own budget: counted by the process in memory, so that it needs nothing but the process."""

import threading
import time

from registry.core.errors import TooManyRequests

WINDOW_S = 60


class Budget:
    """Requests in the present minute, by caller; safe between threads, forgotten when the minute is over."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._minute = 0
        self._used: dict[str, int] = {}

    def take(self, caller: str) -> None:
        """Count one request; raises TooManyRequests past the limit."""
        minute, second = divmod(int(time.monotonic()), WINDOW_S)
        with self._lock:
            if minute != self._minute:
                self._minute, self._used = minute, {}
            used = self._used[caller] = self._used.get(caller, 0) + 1
        if used > self.limit:
            detail = f"More than {self.limit} fetches in a minute from this process: keep what you fetched."
            raise TooManyRequests("rate.limited", detail, retry_after=WINDOW_S - second)
