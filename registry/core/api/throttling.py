"""The control API's budget: a fixed number of requests a minute per key or person, counted in Valkey."""

import time

import redis
import structlog
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from registry.core import valkey
from registry.core.actor import Actor
from registry.core.errors import TooManyRequests, Unavailable

WINDOW_S = 60

log = structlog.get_logger(__name__)


def count(bucket: str, limit: int, *, fail_closed: bool = False) -> None:
    """Count one use of `bucket` in this minute; raises TooManyRequests past `limit`.

    Without Valkey everything passes, unless `fail_closed` (signing in), which raises Unavailable.
    """
    minute, second = divmod(int(time.time()), WINDOW_S)
    name = f"limit:{bucket}:{minute}"
    try:
        pipe = valkey.client().pipeline()
        pipe.incr(name)
        pipe.expire(name, WINDOW_S * 2)
        used = int(pipe.execute()[0])
    except redis.RedisError:
        log.warning("limit.unavailable", bucket=bucket.split(":")[0])
        if fail_closed:
            raise Unavailable("limit.unavailable", "Signing in is paused for a moment: try again.", retry_after=5) from None
        return
    if used > limit:
        raise TooManyRequests(
            "rate.limited", f"More than {limit} requests in a minute: slow down.", retry_after=WINDOW_S - second
        )


class ActorThrottle(BaseThrottle):
    """Counts per key or per person."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True, or TooManyRequests."""
        if isinstance(request.auth, Actor):
            count(f"api:{request.auth.kind}:{request.auth.id}", settings.API_REQUESTS_PER_MINUTE)
        return True
