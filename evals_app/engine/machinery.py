"""What a worker process keeps between chunks: one event loop in a thread, one pool of connections, one set of shared limits."""

import asyncio
import functools
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvloop
from django.conf import settings

from evals_app.providers.limits import SharedLimits

if TYPE_CHECKING:
    from evals_app.providers.client import ModelClient

# Who asks and who scores share one interpreter: with the usual 5 ms every answer would wait for the scorer.
SWITCH_S = 0.001


@dataclass(frozen=True)
class Machinery:
    """The loop runs in a thread of its own, so that questions go out while answers are scored and saved."""

    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    client: "ModelClient"
    limits: SharedLimits

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Ends connections and loop."""
        self.run(self.client.close())
        self.run(self.limits.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def load_client() -> "type[ModelClient]":
    """The SDK takes a second to import and 40 MB: pages do without it, workers load it before they fork."""
    from evals_app.providers.client import ModelClient

    return ModelClient


@functools.cache
def machinery() -> Machinery:
    """This process's machinery, made at first use: after the fork, never at import."""
    client_class = load_client()
    sys.setswitchinterval(SWITCH_S)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="questions", daemon=True)
    thread.start()

    async def make() -> "tuple[ModelClient, SharedLimits]":
        return client_class(settings.OUTBOUND_ALLOW), SharedLimits(settings.VALKEY_URL)

    client, limits = asyncio.run_coroutine_threadsafe(make(), loop).result()
    return Machinery(loop, thread, client, limits)


def shut_down() -> None:
    """Closes this process's machinery, if it was ever made."""
    if machinery.cache_info().currsize:
        machinery().close()
        machinery.cache_clear()
