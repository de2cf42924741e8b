"""The process's way to Valkey, for hints, counters and limits; nothing that must not be lost lives there.

Who waits for Valkey, waits once: after a failure nobody of this process asks for a second, so that a request that would
have asked three times is held up for one time-out, and those right after it for none.
"""

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from django.conf import settings

TIMEOUT_S = 0.5
REST_S = 1.0


class AwayError(redis.ConnectionError):
    """It did not answer a moment ago, so it was not asked."""


class Circuit:
    """Opens at a failure and stays open for a second; then one asks, and whoever comes meanwhile does not."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    @contextmanager
    def asking(self, *failures: type[Exception]) -> Iterator[None]:
        """Around everything that waits for an answer; raises AwayError unasked while it is open.

        `failures` are what says, beside RedisError, that Valkey is away; they are raised on.
        """
        now = time.monotonic()
        if now < self._rests_until:
            raise AwayError("Valkey did not answer a moment ago: not asked")
        if self._rests_until:
            self._rests_until = now + REST_S
        away: tuple[type[Exception], ...] = (redis.RedisError, *failures)
        try:
            yield
        except away:
            self._rests_until = time.monotonic() + REST_S
            raise
        self.close()

    def close(self) -> None:
        """Whoever comes next asks."""
        self._rests_until = 0.0


circuit = Circuit()


@functools.cache
def client() -> redis.Redis:
    """A pooled client with short time-outs; use it after a fork, never at import."""
    return redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
