"""Telling clients what moved: a long poll, and a stream of server-sent events. Notification only: what is live is fetched."""

import asyncio
import contextlib
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prompts_app.delivery.reading import Change
from registry.core.asgi_types import Receive, Send

HEARTBEAT_S = 15.0
LONGEST_STREAM_S, JITTER = 900.0, 0.1
LONGEST_WAIT_S = 60
MOST_STREAMS = 5_000
# A stream that is this far behind is told to take the snapshot.
MOST_UNREAD = 100

type Environment = tuple[int, str]

RETRY = b"retry: 2000\n\n"
HEARTBEAT = b": still here\n\n"
RESYNC = b"event: resync\ndata: {}\n\n"
HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"vary", b"Authorization, X-Workspace"),
    ],
}


@dataclass(eq=False)
class Subscriber:
    """Somebody who waits for what moves in one environment, by a key that may end meanwhile."""

    environment: Environment
    public_id: str
    news: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(MOST_UNREAD + 1))
    ended: bool = False

    def tell(self, event: bytes) -> None:
        """Queue an event; for one who reads too slowly, everything unread becomes one `resync`."""
        if self.news.qsize() >= MOST_UNREAD:
            while not self.news.empty():
                self.news.get_nowait()
            event = RESYNC
        self.news.put_nowait(event)


@dataclass
class Feed:
    """Who waits for what. Belongs to one loop."""

    _by_environment: dict[Environment, set[Subscriber]] = field(default_factory=lambda: defaultdict(set))
    count: int = 0
    is_closed: bool = False

    @contextlib.contextmanager
    def subscribed(self, environment: Environment, public_id: str) -> Iterator[Subscriber]:
        """Hear of changes from now on, to the end of the block."""
        subscriber = Subscriber(environment, public_id, ended=self.is_closed)
        self._by_environment[environment].add(subscriber)
        self.count += 1
        try:
            yield subscriber
        finally:
            self.count -= 1
            waiting = self._by_environment[environment]
            waiting.discard(subscriber)
            if not waiting:
                del self._by_environment[environment]

    def moved(self, environment: Environment, revision: int, prompt: str) -> None:
        """Tell those who wait for this environment."""
        event = event_of(revision, [prompt])
        for subscriber in self._by_environment.get(environment, ()):
            subscriber.tell(event)

    def may_have_moved(self) -> None:
        """After a time in which nothing was heard: everybody takes the snapshot."""
        for waiting in self._by_environment.values():
            for subscriber in waiting:
                subscriber.tell(RESYNC)

    def key_changed(self, public_id: str) -> None:
        """End the streams of a key that may have ended; a client with a good one is back in a moment."""
        for waiting in self._by_environment.values():
            for subscriber in waiting:
                if subscriber.public_id == public_id:
                    subscriber.ended = True
                    subscriber.tell(HEARTBEAT)

    def close(self) -> None:
        """Let everybody go who waits, now and from now on: the process is about to end, and another one will answer."""
        self.is_closed = True
        for waiting in self._by_environment.values():
            for subscriber in waiting:
                subscriber.ended = True
                subscriber.tell(HEARTBEAT)

    def environment_ended(self, environment: Environment) -> None:
        """End the streams of an environment that is no longer in use."""
        for subscriber in self._by_environment.get(environment, ()):
            subscriber.ended = True
            subscriber.tell(HEARTBEAT)


def event_of(revision: int, prompts: Sequence[str]) -> bytes:
    """One change as a server-sent event whose id is the environment's revision."""
    data = json.dumps({"revision": revision, "prompts": list(prompts)}, ensure_ascii=False, separators=(",", ":"))
    return f"id: {revision}\ndata: {data}\n\n".encode()


def replay(changes: Sequence[Change] | None) -> list[bytes]:
    """What a returning client missed; one `resync` where that is too much to tell."""
    if changes is None:
        return [RESYNC]
    return [event_of(change.revision, [change.name]) for change in changes]


async def wait_for_news(subscriber: Subscriber, seconds: float) -> None:
    """Until something may have moved, or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await subscriber.news.get()


async def stream(subscriber: Subscriber, missed: Sequence[bytes], receive: Receive, send: Send) -> None:
    """Send events until the client goes, the key ends, or a quarter of an hour has passed."""
    await send(HEAD)
    await send(_part(RETRY + b"".join(missed)))
    gone = asyncio.create_task(_until_gone(receive))
    try:
        async with asyncio.timeout(LONGEST_STREAM_S * random.uniform(1 - JITTER, 1 + JITTER)):  # noqa: S311
            while not subscriber.ended and not gone.done():
                await send(_part(await _next(subscriber, gone)))
    except TimeoutError:
        pass
    finally:
        gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _next(subscriber: Subscriber, gone: "asyncio.Task[None]") -> bytes:
    news = asyncio.create_task(subscriber.news.get())
    try:
        await asyncio.wait({news, gone}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
        return news.result() if news.done() else HEARTBEAT
    finally:
        news.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _part(body: bytes) -> Mapping[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}
