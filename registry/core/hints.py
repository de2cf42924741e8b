"""Messages that only hint at rows: sent once, with short time-outs, and not at all while the broker is known to be away."""

import functools
from collections.abc import Callable
from queue import Empty
from typing import Any

import redis
import structlog
from celery import Task, current_app
from kombu.exceptions import KombuError
from kombu.pools import producers

from registry.core import valkey

FAILURES = (KombuError, OSError, Empty)

log = structlog.get_logger(__name__)


class NotSentError(Exception):
    """The broker is away; the sweeper will send what is missing."""


def hint_by(task: "Task[Any, Any]") -> Callable[..., None]:
    """How to send the message for one row, and words that only the message carries; raises NotSentError, after half a
    second at most for each thing asked."""

    def hint(pk: int, *carried: str) -> None:
        try:
            with (
                valkey.circuit.asking(*FAILURES),
                _producers().acquire(block=True, timeout=valkey.TIMEOUT_S) as producer,
            ):
                task.apply_async((pk, *carried), producer=producer, retry=False)
        except valkey.AwayError:
            raise NotSentError(task.name) from None
        except (redis.RedisError, *FAILURES) as failure:
            log.warning("broker.away", task=task.name, reason=str(failure))
            raise NotSentError(task.name) from None

    return hint


@functools.cache
def _producers() -> Any:
    """A pool of its own: who answers a request must not wait as long for the broker as a worker may."""
    options = {"socket_timeout": valkey.TIMEOUT_S, "socket_connect_timeout": valkey.TIMEOUT_S, "max_retries": 0}
    return producers[current_app.connection_for_write(transport_options=options)]
