"""The read plane with its life: it listens from the server's start to its stop."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections

from prompts_app.delivery.plane import ReadPlane
from prompts_app.delivery.store import Store
from registry.core import readiness
from registry.core.asgi_types import Application, Receive, Scope, Send

# Of Django's parameters those that are the connection's own: the rest shapes cursors of the ORM.
ORM_ONLY = ("cursor_factory", "context", "prepare_threshold")


class Server:
    """An ASGI application with lifespan around the read plane and what stands behind it."""

    def __init__(self, inner: Application, *, on_stop: Callable[[], object] = lambda: None) -> None:
        self._inner = inner
        self._on_stop = on_stop
        self._plane: ReadPlane | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._plane is None:
            await self._inner(scope, receive, send)
        else:
            await self._plane(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        store = Store(
            connection_parameters(),
            most_bytes=settings.DELIVERY_MEMORY_MB * 1024 * 1024,
            per_minute=settings.DELIVERY_REQUESTS_PER_MINUTE,
        )
        store.start()
        self._plane = ReadPlane(store, self._inner)
        readiness.register("delivery", lambda: store.listener.stale_s == 0)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await store.stop()
        self._on_stop()
        await send({"type": "lifespan.shutdown.complete"})


def connection_parameters() -> dict[str, Any]:
    """How the application's database is reached, for a connection outside Django's pool."""
    parameters = connections["default"].get_connection_params()
    return {name: value for name, value in parameters.items() if name not in ORM_ONLY}
