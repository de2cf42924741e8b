"""What a worker process keeps between chunks: one event loop, one pool of connections, one set of shared limits."""

import asyncio
import functools
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from evals_app.providers.limits import SharedLimits

if TYPE_CHECKING:
    from evals_app.providers.client import ModelClient


@dataclass(frozen=True)
class Machinery:
    """Belongs to one thread: its loop runs only while somebody calls `run`."""

    runner: asyncio.Runner
    client: "ModelClient"
    limits: SharedLimits

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end in the loop; other tasks of the loop go on meanwhile and rest afterwards."""
        return self.runner.run(work)

    def close(self) -> None:
        """Ends connections and loop."""
        self.run(self.client.close())
        self.run(self.limits.close())
        self.runner.close()


def load_client() -> "type[ModelClient]":
    """The SDK takes a second to import and 40 MB: pages do without it, workers load it before they fork."""
    from evals_app.providers.client import ModelClient

    return ModelClient


@functools.cache
def machinery() -> Machinery:
    """This process's machinery, made at first use: after the fork, never at import."""
    client_class = load_client()

    async def make() -> "tuple[ModelClient, SharedLimits]":
        return client_class(settings.OUTBOUND_ALLOW), SharedLimits(settings.VALKEY_URL)

    runner = asyncio.Runner()
    client, limits = runner.run(make())
    return Machinery(runner, client, limits)


def shut_down() -> None:
    """Closes this process's machinery, if it was ever made."""
    if machinery.cache_info().currsize:
        machinery().close()
        machinery.cache_clear()
