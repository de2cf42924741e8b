"""Synchronous Django behind an ASGI server: its WSGI handler on a few threads that stay, instead of a thread per request.

Under ASGI, Django gives each request an executor of its own: a new thread, and in it a new database connection from the
pool. Here a fixed number of threads takes one request after the other, as a WSGI server would do.
"""

import asyncio
import io
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from registry.core.asgi_types import Receive, Scope, Send
from registry.core.live import Pieces

type Environ = dict[str, Any]
type WsgiApplication = Callable[[Environ, Any], Any]

# Ten megabytes, the most that any route takes, within this time are 3 Mbit/s.
BODY_WITHIN_S = 30.0
# Bodies of more than the first take the second together: they are held before anybody is asked who sends them.
SMALL_BODY, MOST_HELD = 64 * 1024, 256 * 1024 * 1024
# A caller who takes a live answer's next piece no sooner than this is gone.
PIECE_WITHIN_S = 30.0


@dataclass(frozen=True)
class Refusal:
    """An answer for which nothing behind this is asked."""

    status: int
    body: bytes
    header: tuple[bytes, bytes]


BUSY = Refusal(
    503,
    b'{"type":"urn:greenroom:error:server.busy","title":"Unavailable","status":503,"code":"server.busy","detail":"Too many requests wait already: try again in a moment.","errors":[]}',
    (b"retry-after", b"1"),
)
LATE = Refusal(
    408,
    b'{"type":"urn:greenroom:error:body.late","title":"Too slow","status":408,"code":"body.late","detail":"The body did not arrive within 30 s: send it again over a faster line, or in smaller parts.","errors":[]}',
    (b"connection", b"close"),
)


@dataclass
class Answer:
    """What the application began to answer; `parts` yields the body piece by piece on the thread that asks for it.

    `live` makes it in the loop instead, for an answer that would hold its thread for long.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    parts: Iterator[bytes]
    close: Callable[[], object]
    live: Pieces | None = None


class TooManyHeldError(Exception):
    """Bodies that are held already leave no room for this one."""


class WsgiBridge:
    """An ASGI application that answers HTTP by a WSGI one. At most `threads` requests run, `most_waiting` more wait."""

    def __init__(
        self, application: WsgiApplication, *, threads: int, most_waiting: int = 500, most_held: int = MOST_HELD
    ) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")
        self._most = threads + most_waiting
        self._inside = 0
        self._most_held = most_held
        self._held = 0

    def close(self) -> None:
        """Lets running requests end, and ends the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. The body is read whole first, and takes no place meanwhile: one that drips in keeps nobody out."""
        with self._holding() as hold:
            try:
                async with asyncio.timeout(BODY_WITHIN_S):
                    body = await _read(receive, hold)
            except TimeoutError:
                await _refuse(send, LATE)
                return
            except TooManyHeldError:
                await _refuse(send, BUSY)
                return
            if body is not None:
                await self._in_turn(environ_of(scope, body), receive, send)

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        """Room for one body as it comes in, given back at the end; raises TooManyHeldError where there is none."""
        size = held = 0

        def hold(more: int) -> None:
            nonlocal size, held
            size += more
            if size > SMALL_BODY:
                self._held += size - held
                held = size
                if self._held > self._most_held:
                    raise TooManyHeldError

        try:
            yield hold
        finally:
            self._held -= held

    async def _in_turn(self, environ: Environ, receive: Receive, send: Send) -> None:
        if self._inside >= self._most:
            await _refuse(send, BUSY)
            return
        self._inside += 1
        try:
            await self._answer(environ, receive, send)
        finally:
            self._inside -= 1

    async def _answer(self, environ: Environ, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        answer, whole = await loop.run_in_executor(self._threads, self._begin, environ)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.live is not None:
            await _tell(answer.live, receive, send)
            return
        if whole is not None:
            await send({"type": "http.response.body", "body": whole})
            return
        try:
            while (part := await loop.run_in_executor(self._threads, next, answer.parts, None)) is not None:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await loop.run_in_executor(self._threads, answer.close)

    def _begin(self, environ: Environ) -> tuple[Answer, bytes | None]:
        """Runs the application; its whole body where it says how long that is, as nearly all answers do."""
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., None]:
            started[:] = [int(status[:3]), headers]
            return _no_write

        produced = self._application(environ, start_response)
        close = getattr(produced, "close", lambda: None)
        try:
            parts = iter(produced)
            first = next(parts, b"")
            status, given = started
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given]
            answer = Answer(status, headers, chain((first,), parts), close, getattr(produced, "live", None))
            if answer.live is not None:
                close()  # gives back what the view held, such as its database connection
                return answer, None
            has_length = any(name == b"content-length" for name, _ in headers)
            whole = b"".join(answer.parts) if has_length or not getattr(produced, "streaming", True) else None
        except BaseException:
            close()
            raise
        if whole is not None:
            close()
        return answer, whole


def environ_of(scope: Scope, body: bytes) -> Environ:
    """The WSGI environment (PEP 3333) of an ASGI request."""
    server, client = scope.get("server") or ("localhost", 80), scope.get("client")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "REMOTE_ADDR": client[0] if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:  # would be taken for the one with a hyphen, which a proxy may vouch for
            continue
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        key = name if name in {"CONTENT_LENGTH", "CONTENT_TYPE"} else f"HTTP_{name}"
        joint = "; " if name == "COOKIE" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
    environ["CONTENT_LENGTH"] = str(len(body))  # also where it came in pieces, without saying how long it is
    return environ


async def _read(receive: Receive, hold: Callable[[int], None]) -> bytes | None:
    """The whole body, for whose parts `hold` has room; None when the caller went away meanwhile."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        hold(len(parts[-1]))
        if not message.get("more_body"):
            return b"".join(parts)


async def _tell(live: Pieces, receive: Receive, send: Send) -> None:
    """Send what a live answer yields until it ends or the caller goes."""
    pieces = live()
    gone = asyncio.create_task(_until_gone(receive))
    try:
        while (piece := await _next(pieces, gone)) is not None:
            async with asyncio.timeout(PIECE_WITHIN_S):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not gone.done():
            await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        return
    finally:
        gone.cancel()
        await pieces.aclose()


async def _next(pieces: AsyncGenerator[bytes], gone: "asyncio.Task[None]") -> bytes | None:
    """The next piece; None when there is no more, or nobody to send it to."""
    piece: asyncio.Task[bytes | None] = asyncio.create_task(_or_none(pieces))
    try:
        await asyncio.wait({piece, gone}, return_when=asyncio.FIRST_COMPLETED)
        return piece.result() if piece.done() and not gone.done() else None
    finally:
        if not piece.done():
            piece.cancel()
            await asyncio.gather(piece, return_exceptions=True)


async def _or_none(pieces: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(pieces, None)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, refused: Refusal) -> None:
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(refused.body)).encode()),
        (b"cache-control", b"no-store"),
        refused.header,
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": refused.body})


def _no_write(_: bytes) -> None:
    raise NotImplementedError("the write callable of WSGI is for servers older than this one")
