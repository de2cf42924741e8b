"""Budgets of requests, counted in Valkey by the minute."""

import time

import redis
import structlog

from registry.core import valkey
from registry.core.errors import TooManyRequests, Unavailable

WINDOW_S = 60

log = structlog.get_logger(__name__)


def once(name: str, *, for_s: int) -> bool:
    """Whether this is the first use of `name` in so many seconds, of all processes together; raises Unavailable without Valkey."""
    try:
        with valkey.circuit.asking():
            return bool(valkey.client().set(f"once:{name}", 1, nx=True, ex=for_s))
    except redis.RedisError:
        raise _away(name) from None


def count(bucket: str, limit: int, *, fail_closed: bool = False, window_s: int = WINDOW_S) -> None:
    """Count one use of `bucket` in this minute, or whichever window; raises TooManyRequests past `limit`.

    Without Valkey everything passes, unless `fail_closed` (signing in), which raises Unavailable.
    """
    window, second = divmod(int(time.time()), window_s)
    name = f"limit:{bucket}:{window}"
    try:
        with valkey.circuit.asking():
            pipe = valkey.client().pipeline()
            pipe.incr(name)
            pipe.expire(name, window_s * 2)
            used = int(pipe.execute()[0])
    except redis.RedisError:
        away = _away(bucket)
        if fail_closed:
            raise away from None
        return
    if used > limit:
        span = "a minute" if window_s == WINDOW_S else f"{window_s // 3600} hours"
        raise TooManyRequests(
            "rate.limited", f"More than {limit} requests in {span}: slow down.", retry_after=window_s - second
        )


def _away(bucket: str) -> Unavailable:
    log.warning("limit.unavailable", bucket=bucket.split(":", maxsplit=1)[0])
    return Unavailable("limit.unavailable", "Signing in is paused for a moment: try again.", retry_after=5)
