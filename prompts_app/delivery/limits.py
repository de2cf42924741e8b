"""The read plane's own budget: counted by the process in memory, so that it needs nothing but the process."""

import threading
import time

from registry.core.errors import TooManyRequests
from registry.core.sign_in_limits import network_of

WINDOW_S = 60


MOST_UNKNOWN = 300


class UnknownKeys:
    """Keys that nobody has, in the present minute, by the address they came from: each costs a question to the database, so
    an address that goes on making them up is not asked about any more. Belongs to one loop."""

    def __init__(self) -> None:
        self._minute = 0
        self._seen: dict[str, int] = {}

    def refuse_more(self, address: str) -> None:
        """Raise TooManyRequests for an address that has sent too many."""
        minute, second = divmod(int(time.monotonic()), WINDOW_S)
        if minute != self._minute:
            self._minute, self._seen = minute, {}
        if self._seen.get(network_of(address), 0) >= MOST_UNKNOWN:
            detail = (
                f"More than {MOST_UNKNOWN} unknown keys in a minute from this address: use one that you were given."
            )
            raise TooManyRequests("rate.limited", detail, retry_after=WINDOW_S - second)

    def note(self, address: str) -> None:
        """One more."""
        network = network_of(address)
        self._seen[network] = self._seen.get(network, 0) + 1


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
