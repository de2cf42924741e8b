"""A read plane over the test database in a loop of its own, called without a server; its database can be cut off."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prompts_app.delivery.plane import ReadPlane
from prompts_app.delivery.server import connection_parameters
from prompts_app.delivery.store import Store
from tests.builders import Key

READY_WITHIN_S = 20


@dataclass(frozen=True)
class Answer:
    """What came back; `passed_on` where the plane left the request to Django."""

    status: int
    headers: dict[str, str]
    body: bytes
    passed_on: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


class Plane:
    """The plane, from a test's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, store: Store, plane: ReadPlane) -> None:
        self.loop = loop
        self.store = store
        self.scheme = "http"
        self._plane = plane

    def get(self, path: str, key: Key | str | None = None, method: str = "GET", **headers: str) -> Answer:
        """One request to an address, below /api/v1/ unless it starts with a slash; header names with underscores for hyphens."""
        given = {**headers, **(key.headers if isinstance(key, Key) else {"Authorization": key} if key else {})}
        return asyncio.run_coroutine_threadsafe(self._call(path, method, given), self.loop).result(READY_WITHIN_S)

    @contextmanager
    def stream(self, path: str, key: Key, **headers: str) -> "Iterator[Stream]":
        """An event stream that the test reads from, until it goes."""
        stream = Stream()

        async def run() -> None:
            async def send(message: Mapping[str, Any]) -> None:
                stream.sent.append(message)

            async def receive() -> Mapping[str, Any]:
                while not stream.is_gone:
                    await asyncio.sleep(0.01)
                return {"type": "http.disconnect"}

            await self._plane(self._scope(path, "GET", {**headers, **key.headers}), receive, send)
            stream.is_over = True

        future = asyncio.run_coroutine_threadsafe(run(), self.loop)
        try:
            yield stream
        finally:
            stream.is_gone = True
            future.result(READY_WITHIN_S)

    def in_loop[T](self, work: Callable[[], T]) -> T:
        """What `work` returns, called in the plane's own thread."""

        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(READY_WITHIN_S)

    async def _call(self, path: str, method: str, headers: Mapping[str, str]) -> Answer:
        scope = self._scope(path, method, headers)
        sent: list[Mapping[str, Any]] = []

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": b""}

        await self._plane(scope, receive, send)
        if sent[0]["type"] == "passed.on":
            return Answer(0, {}, b"", passed_on=True)
        answered = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))

    def _scope(self, path: str, method: str, headers: Mapping[str, str]) -> dict[str, Any]:
        address, _, query = path.partition("?")
        given = [(name.lower().replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
        return {
            "type": "http",
            "scheme": self.scheme,
            "method": method,
            "path": address if address.startswith("/") else f"/api/v1/{address}",
            "query_string": query.encode(),
            "headers": given,
        }


@dataclass
class Stream:
    """What a stream has sent so far."""

    sent: list[Mapping[str, Any]] = field(default_factory=list)
    is_gone: bool = False
    is_over: bool = False

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent[1:]).decode()

    @property
    def events(self) -> list[str]:
        """Events and comments, in order."""
        return [part for part in self.text.split("\n\n") if part]


@contextmanager
def running_plane(
    *, most_bytes: int = 10_000_000, per_minute: int = 100_000, port: int | None = None, only_https: bool = False
) -> Iterator[Plane]:
    """A plane that hears of changes; with `port` its listener goes through that port of the loopback interface."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "passed.on"})

    async def make() -> Plane:
        parameters = connection_parameters()
        if port is not None:
            parameters |= {"host": "127.0.0.1", "port": port}
        store = Store(parameters, most_bytes=most_bytes, per_minute=per_minute)
        store.start()
        return Plane(loop, store, ReadPlane(store, inner, only_https=only_https))

    plane = asyncio.run_coroutine_threadsafe(make(), loop).result(READY_WITHIN_S)
    try:
        until(lambda: plane.store.listener.stale_s == 0)
        yield plane
    finally:
        asyncio.run_coroutine_threadsafe(plane.store.stop(), loop).result(READY_WITHIN_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(READY_WITHIN_S)
        loop.close()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fails after a while."""
    ends = time.monotonic() + READY_WITHIN_S
    while not holds():
        assert time.monotonic() < ends, "it never held"
        time.sleep(0.01)
