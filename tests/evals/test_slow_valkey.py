"""A Valkey that answers later than anybody waits for it: what it did is done, and no question ends in error because of that."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings

from evals_app.providers import limits as shared
from evals_app.providers.limits import Limits, SharedLimits
from evals_app.providers.patience import ask_patiently
from evals_app.providers.talk import Answer, Failure, ProviderError

LIMITS = Limits(9_600_000, 4)
KEYS = f"greenroom:limit:{{{LIMITS.provider_id}}}:"
CEILING_S = 30  # ends what hangs; a turn that was lost would be missed for a minute


@pytest.fixture
def valkey(monkeypatch: pytest.MonkeyPatch) -> Iterator["redis.Redis[bytes]"]:
    """Valkey itself, past the way on which its answers are late."""
    monkeypatch.setattr(shared, "ANSWERS_WITHIN_S", 0.3)
    monkeypatch.setattr(shared, "DOWN_NAP_S", 0.1)
    monkeypatch.setattr(shared, "OPENS_AFTER", 3)
    monkeypatch.setattr(shared, "OPEN_S", 0.5)
    with redis.Redis.from_url(settings.VALKEY_URL) as client:
        yield client
        for key in client.scan_iter(f"{KEYS}*"):
            client.delete(key)


class Way:
    """A way to Valkey: whatever is asked gets there at once, and no answer comes back while `is_late`."""

    def __init__(self) -> None:
        self._flows = asyncio.Event()
        self.is_late = False

    @property
    def is_late(self) -> bool:
        return not self._flows.is_set()

    @is_late.setter
    def is_late(self, late: bool) -> None:
        (self._flows.clear if late else self._flows.set)()

    async def serve(self, asks: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        where = urlsplit(settings.VALKEY_URL)
        if where.scheme == "unix":
            reader, writer = await asyncio.open_unix_connection(where.path)
        else:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(self._pass(asks, writer, is_answer=False), self._pass(reader, answers, is_answer=True))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        try:
            while piece := await reader.read(65_536):
                if is_answer:
                    await self._flows.wait()
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def on_the_way() -> AsyncIterator[tuple[Way, SharedLimits]]:
    """Limits that ask Valkey by a way of their own."""
    way = Way()
    async with await asyncio.start_server(way.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        limits = SharedLimits(f"redis://127.0.0.1:{port}/0")
        try:
            yield way, limits
        finally:
            way.is_late = False
            await limits.close()


def play(scene: Callable[[Way, SharedLimits], Awaitable[None]]) -> None:
    """Runs a scene, to its end or the ceiling."""

    async def run() -> None:
        async with asyncio.timeout(CEILING_S), on_the_way() as (way, limits):
            await scene(way, limits)

    asyncio.run(run())


async def until(happened: Callable[[], object]) -> None:
    while not happened():
        await asyncio.sleep(0.02)


def test_turn__granted_in_an_answer_that_comes_too_late__is_asked_for_again(valkey: "redis.Redis[bytes]"):
    async def scene(way: Way, limits: SharedLimits) -> None:
        await _hold(limits)
        await until(lambda: not valkey.hlen(f"{KEYS}held"))
        way.is_late = True
        asked = asyncio.create_task(_hold(limits))
        await until(lambda: valkey.hlen(f"{KEYS}held"))
        await _too_late(way)
        assert await asked

    play(scene)


def test_try_after_a_failure__told_to_a_valkey_that_is_late__still_has_the_time_of_an_answer(
    valkey: "redis.Redis[bytes]",
):
    """Telling Valkey that the provider failed takes longer here than the question may wait for answers."""

    async def scene(way: Way, limits: SharedLimits) -> None:
        tries: list[float] = []

        async def ask(left_s: float) -> Answer:
            tries.append(left_s)
            way.is_late = len(tries) == 1
            if way.is_late:
                raise ProviderError(Failure.CONNECTION, "it broke off")
            return Answer("here", 1, 1, 1)

        async def flow_again() -> None:
            await until(lambda: way.is_late)
            await _too_late(way)

        again = asyncio.create_task(flow_again())
        answer = await ask_patiently(
            ask,
            time_s=0.2,
            take_turn=lambda: limits.turn(LIMITS, tokens=0),
            hold_back=lambda seconds: limits.pause(LIMITS.provider_id, seconds),
        )
        await again
        assert answer.text == "here" and len(tries) == 2

    play(scene)


def test_breaker__word_that_lets_one_through_comes_too_late__lets_another_one_through(valkey: "redis.Redis[bytes]"):
    async def scene(way: Way, limits: SharedLimits) -> None:
        for _ in range(3):
            async with limits.turn(LIMITS, tokens=0) as turn:
                turn.is_alive = False
        await asyncio.sleep(shared.OPEN_S)
        way.is_late = True
        asked = asyncio.create_task(_hold(limits))
        await until(lambda: valkey.hget(f"{KEYS}breaker", "probe"))
        await _too_late(way)
        began = time.monotonic()
        assert await asked
        assert time.monotonic() - began < shared.PROBE_S / 2
        assert not valkey.exists(f"{KEYS}breaker"), "an answer closes it"

    play(scene)


async def _too_late(way: Way) -> None:
    """Lets answers come again once nobody waits for those that are held back."""
    await asyncio.sleep(2 * shared.ANSWERS_WITHIN_S)
    way.is_late = False


async def _hold(limits: SharedLimits) -> bool:
    async with limits.turn(LIMITS, tokens=0) as turn:
        turn.is_alive = True
    return True
