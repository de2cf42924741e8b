"""The read plane with its life: it listens from the server's start to its stop."""

import asyncio
import contextlib
import gc
import hmac
import resource
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import structlog
from django.conf import settings
from django.db import connections

from prompts_app.delivery.answers import plain, problem
from prompts_app.delivery.metrics import metrics_of
from prompts_app.delivery.plane import ReadPlane
from prompts_app.delivery.readers import Readers
from prompts_app.delivery.store import Store
from registry.core import metrics, readiness
from registry.core.asgi_types import Application, Receive, Scope, Send
from registry.core.errors import NotFound, Unavailable
from registry.core.triggers import missing_triggers

LOOPBACK = frozenset({"127.0.0.1", "::1"})
FORWARDED = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"forwarded", b"via"}
)
# Of Django's parameters those that are the connection's own: the rest shapes cursors of the ORM.
ORM_ONLY = ("cursor_factory", "context", "prepare_threshold")


log = structlog.get_logger(__name__)


class Server:
    """An ASGI application with lifespan around the read plane and what stands behind it."""

    def __init__(self, inner: Application, *, on_stop: Callable[[], object] = lambda: None) -> None:
        self._inner = inner
        self._on_stop = on_stop
        self._plane: ReadPlane | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request, or the life of the process: what is to be awaited, without a coroutine of its own around it."""
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        if self._plane is None:
            return self._inner(scope, receive, send)
        if scope["type"] == "http" and scope["path"] == "/metrics":
            return self._tell(self._plane, scope, send)
        return self._plane(scope, receive, send)

    async def _tell(self, plane: ReadPlane, scope: Scope, send: Send) -> None:
        """Metrics, to the machine itself and to whoever has the operator's token."""
        if may_read_metrics(scope, settings.METRICS_TOKEN):
            text = metrics_of(plane.store) + await self._collected(plane)
            reply = plain(text.encode(), "text/plain; version=0.0.4; charset=utf-8")
        else:
            reply = problem(NotFound("not_found", "There is nothing at this address."), "")
        for message in reply:
            await send(message)

    async def _collected(self, plane: ReadPlane) -> str:
        """What the tables say; without them that they do not answer."""
        up = metrics.Family("greenroom_database_up", "gauge", "1 while the database answers this process.")
        try:
            families = await plane.store.readers.read(metrics.collected)
        except Unavailable:
            return metrics.to_text([up.add(0), *metrics.requests.families()])
        return metrics.to_text([up.add(1), *families])

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        allow_many_connections()
        store = Store(
            connection_parameters(),
            most_bytes=settings.DELIVERY_MEMORY_MB * 1024 * 1024,
            per_minute=settings.DELIVERY_REQUESTS_PER_MINUTE,
        )
        store.start()
        looking = asyncio.create_task(look_for_triggers(store.readers))
        at_sigterm(store.feed.close)
        self._plane = ReadPlane(store, self._inner, only_https=settings.IS_HTTPS)
        readiness.register("delivery", lambda: store.listener.stale_s == 0)
        # What was imported is never garbage: looking through all of it now and then would make every fetch wait.
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        looking.cancel()
        await store.stop()
        self._on_stop()
        await send({"type": "lifespan.shutdown.complete"})


async def look_for_triggers(readers: Readers) -> None:
    """Say in the log, as a process starts, which triggers that keep history are not in force. It serves all the same: what is
    live was approved while they were, and a database that is away is no reason either."""
    with contextlib.suppress(Unavailable):
        for name in await readers.read(missing_triggers):
            log.error("history.trigger_missing", trigger=name)


def may_read_metrics(scope: Scope, token: str) -> bool:
    """With a token set only with it; without one only from this very machine, and not through a proxy on it."""
    headers = dict(scope["headers"])
    if token:
        return hmac.compare_digest(headers.get(b"authorization", b""), f"Bearer {token}".encode())
    peer = (scope.get("client") or ("",))[0]
    return peer in LOOPBACK and not headers.keys() & FORWARDED


def allow_many_connections() -> None:
    """Lift the limit on open files as far as the system lets this process: streams and idle clients hold one each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def at_sigterm(work: Callable[[], None]) -> None:
    """Have the loop call this as soon as the process is told to end: the server itself waits first for all that is under way."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    server_s = signal.getsignal(signal.SIGTERM)

    def told(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(work)
        if callable(server_s):
            server_s(number, frame)

    signal.signal(signal.SIGTERM, told)


def connection_parameters() -> dict[str, Any]:
    """How the application's database is reached, for a connection outside Django's pool."""
    parameters = connections["default"].get_connection_params()
    return {name: value for name, value in parameters.items() if name not in ORM_ONLY}
