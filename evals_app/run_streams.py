"""A run's page told of what moves, by server-sent events: asked of Django as often as something moved, held by no thread of it.

One statement a second in each web process asks how far all the runs stand that somebody watches here. Where one has moved,
Django answers the address again, as it would for a single request: the same rights, the same page. So rights that end meanwhile
end the stream, and a server without this in front answers one event at a time, which browsers ask for again by themselves.
"""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog

from registry.core.asgi_types import Application, Receive, Scope, Send

ADDRESS = re.compile(r"/w/[-\w]+/runs/(\d{1,18})/events")
LOOKS_EVERY_S = 1.0
# Of one thread a page takes a tenth, however large its run; more only where it would be told less often than that.
RESTS, LONGEST_REST_S = 10, 2.0
HEARTBEAT_S = 15.0
LONGEST_STREAM_S, JITTER = 900.0, 0.1
MOST_STREAMS = 1_000
HEARTBEAT = b": still here\n\n"
TYPE = b"text/event-stream"

log = structlog.get_logger(__name__)

_STANDINGS = """
SELECT run.id, run.state, run.verdict, sum(chunk.done), sum(chunk.errors)
FROM evals_app_run run LEFT JOIN evals_app_runchunk chunk ON chunk.run_id = run.id
WHERE run.id = ANY(%s) GROUP BY run.id
"""

type Standing = tuple[Any, ...]
type Look = Callable[[list[int]], Awaitable[dict[int, Standing]]]


@dataclass(frozen=True)
class Said:
    """What Django answered: begun as a response begins, with its whole body."""

    start: Mapping[str, Any]
    body: bytes

    @property
    def is_event(self) -> bool:
        """Whether it is news of the run; anything else is an answer of its own, to be passed on."""
        kind = next((value for name, value in self.start["headers"] if name == b"content-type"), b"")
        return self.start["status"] == 200 and kind.startswith(TYPE)

    @property
    def is_last(self) -> bool:
        """Whether nothing more is to come."""
        return b"\nevent: ended\n" in self.body


@dataclass
class Watch:
    """How far runs stand, looked at for everybody in this process at once, as long as anybody watches. Belongs to one loop."""

    look: Look
    _watched: dict[int, set["asyncio.Event"]] = field(default_factory=dict)
    _task: "asyncio.Task[None] | None" = None

    @contextlib.contextmanager
    def of(self, run: int) -> Iterator[asyncio.Event]:
        """An event that is set whenever the run has moved, to the end of the block."""
        moved = asyncio.Event()
        self._watched.setdefault(run, set()).add(moved)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
        try:
            yield moved
        finally:
            self._watched[run].discard(moved)
            if not self._watched[run]:
                del self._watched[run]

    async def _follow(self) -> None:
        before: dict[int, Standing] = {}
        while self._watched:
            try:
                now = await self.look(list(self._watched))
            except (psycopg.Error, OSError) as error:
                log.warning("runs.not_watched", error=(str(error) or repr(error)).splitlines()[0])
                now = before
            for run in now.keys() & self._watched.keys():
                if now[run] != before.get(run):
                    for moved in self._watched[run]:
                        moved.set()
            before = now
            await asyncio.sleep(LOOKS_EVERY_S)


class Looker:
    """Asks the database over one connection of its own, made when it is first needed and again when it is lost."""

    def __init__(self, parameters: Callable[[], Mapping[str, Any]]) -> None:
        self._parameters = parameters
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def __call__(self, runs: list[int]) -> dict[int, Standing]:
        """Where each of the runs stands; one statement."""
        if self._connection is None or self._connection.closed:
            given = {
                **self._parameters(),
                "autocommit": True,
                "connect_timeout": 3,
                "application_name": "greenroom runs",
            }
            self._connection = await psycopg.AsyncConnection.connect(**given)
        try:
            rows = await (await self._connection.execute(_STANDINGS, [runs])).fetchall()
        except psycopg.Error:
            await self._connection.close()
            raise
        return {row[0]: tuple(row[1:]) for row in rows}


class RunStreams:
    """An ASGI application in front of Django's: its event addresses become streams, everything else is handed on."""

    def __init__(self, inner: Application, look: Look) -> None:
        self._inner = inner
        self._watch = Watch(look)
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a stream, or let the application answer."""
        found = ADDRESS.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None or self._open >= MOST_STREAMS:
            await self._inner(scope, receive, send)
            return
        self._open += 1
        try:
            with self._watch.of(int(found[1])) as moved:
                await self._stream(scope, receive, send, moved)
        finally:
            self._open -= 1

    async def _stream(self, scope: Scope, receive: Receive, send: Send, moved: asyncio.Event) -> None:
        said = await self._ask(scope)
        await send(said.start if not said.is_event else _begun(said.start))
        if not said.is_event or said.is_last:
            await send({"type": "http.response.body", "body": said.body})
            return
        await send(_part(said.body))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            async with asyncio.timeout(LONGEST_STREAM_S * random.uniform(1 - JITTER, 1 + JITTER)):  # noqa: S311
                while said.is_event and not said.is_last and not gone.done():
                    said = await self._next(scope, send, moved, gone, said)
        except TimeoutError:
            pass
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _next(
        self, scope: Scope, send: Send, moved: asyncio.Event, gone: "asyncio.Task[None]", said: Said
    ) -> Said:
        """Waits until something moved, and tells it; a heartbeat where nothing does."""
        news = asyncio.create_task(moved.wait())
        try:
            await asyncio.wait({news, gone}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        if gone.done():
            return said
        if not moved.is_set():
            await send(_part(HEARTBEAT))
            return said
        moved.clear()
        begun = time.monotonic()
        said = await self._ask(scope)
        if said.is_event:
            await send(_part(said.body))
            await asyncio.wait({gone}, timeout=min((time.monotonic() - begun) * RESTS, LONGEST_REST_S))
        return said

    async def _ask(self, scope: Scope) -> Said:
        """What Django answers to this address now."""
        parts: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": b""}

        async def take(message: Mapping[str, Any]) -> None:
            parts.append(message)

        await self._inner(dict(scope), receive, take)
        return Said(parts[0], b"".join(part.get("body", b"") for part in parts[1:]))


def _begun(start: Mapping[str, Any]) -> Mapping[str, Any]:
    """The head of a stream, which has no length and passes through proxies unheld."""
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    return {**start, "headers": [*headers, (b"x-accel-buffering", b"no")]}


def _part(body: bytes) -> Mapping[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
