"""A run's events as a stream: told as soon as something moved, ended with the run, the reader's rights or the reader."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import psycopg
import pytest

from evals_app import run_streams
from evals_app.run_streams import RunStreams

MOVED, ENDED = b"data: far\n\nevent: moved\ndata:\n\n", b"data: done\n\nevent: ended\ndata:\n\n"


class Django:
    """Answers what it is told to, one after the other; the last one stays."""

    def __init__(self, *answers: tuple[int, str, bytes]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        status, kind, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Runs:
    """How runs stand, as the database would say."""

    def __init__(self) -> None:
        self.standing, self.looks, self.is_away = 0, 0, False

    async def __call__(self, runs: list[int]) -> dict[int, tuple[Any, ...]]:
        self.looks += 1
        if self.is_away:
            raise psycopg.OperationalError("away")
        return dict.fromkeys(runs, ("running", self.standing))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_streams, "LOOKS_EVERY_S", 0.01)
    monkeypatch.setattr(run_streams, "RESTS", 0)


def run(coroutine: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):
            await coroutine()

    asyncio.run(within())


class Reader:
    """A browser that reads a stream until it leaves."""

    def __init__(self, application: Any, path: str = "/w/acme/runs/7/events") -> None:
        self.got: list[Mapping[str, Any]] = []
        self.arrived, self.left = asyncio.Event(), asyncio.Event()
        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        self.task = asyncio.create_task(application(scope, self._receive, self._send))

    async def _receive(self) -> Mapping[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Mapping[str, Any]) -> None:
        self.got.append(message)
        self.arrived.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got[1:])

    async def until(self, count: int) -> None:
        """Until so many events that something moved have come."""
        while self.body.count(b"event: moved") < count:
            self.arrived.clear()
            await self.arrived.wait()


def stream(body: bytes) -> tuple[int, str, bytes]:
    return 200, "text/event-stream", body


def test_stream__when_the_run_moves__tells_again_and_ends_with_it() -> None:
    async def story() -> None:
        django, runs = Django(stream(MOVED), stream(MOVED), stream(MOVED), stream(ENDED)), Runs()
        reader = Reader(RunStreams(django, runs))
        await reader.until(2)  # once at first, once since nobody had looked before
        runs.standing = 1
        await reader.until(3)
        runs.standing = 2
        await reader.task

        assert reader.body.endswith(ENDED) and not reader.got[-1].get("more_body")
        head = dict(reader.got[0]["headers"])
        assert b"content-length" not in head and head[b"x-accel-buffering"] == b"no"

    run(story)


def test_stream__while_nothing_moves__asks_nobody_again_and_says_that_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_streams, "HEARTBEAT_S", 0.02)

    async def story() -> None:
        django, runs = Django(stream(MOVED)), Runs()
        reader = Reader(RunStreams(django, runs))
        await reader.until(2)
        while reader.body.count(b": still here") < 3:
            await asyncio.sleep(0.01)
        assert django.asked == 2 and runs.looks > 2
        reader.left.set()
        await reader.task
        await asyncio.sleep(0.05)
        looks = runs.looks
        await asyncio.sleep(0.05)
        assert runs.looks == looks, "nobody watches any more"

    run(story)


def test_stream__of_several_readers__is_looked_at_once_for_all_of_them() -> None:
    async def story() -> None:
        django, runs = Django(stream(MOVED)), Runs()
        application = RunStreams(django, runs)
        readers = [Reader(application) for _ in range(3)]
        for reader in readers:
            await reader.until(2)
        before, asked = runs.looks, django.asked
        runs.standing = 1
        for reader in readers:
            await reader.until(3)
        assert django.asked == asked + 3 and runs.looks - before < 3 * 3
        for reader in readers:
            reader.left.set()
            await reader.task

    run(story)


@pytest.mark.parametrize("answer", [(302, "text/html", b""), (404, "text/html", b"<h1>Not there")])
def test_stream__asked_by_somebody_who_may_not__is_the_answer_of_the_page(answer: tuple[int, str, bytes]) -> None:
    async def story() -> None:
        reader = Reader(RunStreams(Django(answer), Runs()))
        await reader.task
        assert reader.got[0]["status"] == answer[0] and reader.body == answer[2]

    run(story)


def test_stream__when_the_rights_of_its_reader_end__ends_and_tells_nothing_more() -> None:
    async def story() -> None:
        reader = Reader(RunStreams(Django(stream(MOVED), (302, "text/html", b"sign in first")), Runs()))
        await reader.task
        assert reader.body == MOVED

    run(story)


def test_stream__while_the_database_is_away__stays_and_goes_on_when_it_is_back() -> None:
    async def story() -> None:
        django, runs = Django(stream(MOVED)), Runs()
        reader = Reader(RunStreams(django, runs))
        await reader.until(2)
        runs.is_away = True
        looks = runs.looks
        while runs.looks < looks + 3:
            await asyncio.sleep(0.01)
        runs.is_away, runs.standing = False, 1
        await reader.until(3)
        reader.left.set()
        await reader.task

    run(story)


@pytest.mark.parametrize("path", ["/w/acme/runs/7", "/w/acme/runs/7/events/", "/w/a/b/runs/7/events", "/events"])
def test_other_addresses__are_handed_on(path: str) -> None:
    async def story() -> None:
        reader = Reader(RunStreams(Django((200, "text/html", b"a page")), Runs()), path)
        await reader.task
        assert reader.body == b"a page" and dict(reader.got[0]["headers"])[b"content-length"] == b"6"

    run(story)


def test_stream__when_there_are_too_many__is_one_answer_that_browsers_ask_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_streams, "MOST_STREAMS", 0)

    async def story() -> None:
        reader = Reader(RunStreams(Django(stream(MOVED)), Runs()))
        await reader.task
        assert reader.body == MOVED

    run(story)
