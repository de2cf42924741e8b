"""Changes pushed to clients by the stream of a real server: through kills, restarts, cut connections, and proxies that pass no streams."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from django.db import connection

from greenroom import AsyncClient, Client
from greenroom.entries import Key
from prompts_app.actions.rollback import withdraw
from tests.delivery.history import cut_listeners
from tests.sdk.proxy import Proxy
from tests.sdk.registry_stub import NAME, until
from tests.sdk.test_client_live import Story
from tests.servers import Web, run_web


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    with run_web(tmp_path) as running:
        yield running


@pytest.fixture
def story(web: Web, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Nothing but being told could bring a change: answers are fresh, and polls are due, long after a test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("greenroom.wire._max_age", lambda key, headers: 3600.0)
    monkeypatch.setattr("greenroom.feed.FIRST_BACK_OFF_S", 0.05)
    monkeypatch.setattr("greenroom.feed.LONGEST_BACK_OFF_S", 0.3)
    return Story()


@pytest.fixture
def proxy(web: Web) -> Iterator[Proxy]:
    with Proxy(urlsplit(web.url).port or 0) as running:
        yield running


@pytest.fixture
def client(story: Story, proxy: Proxy) -> Iterator[Client]:
    key = story.cast.key("service", environment="production")
    made = Client(environment="production", url=proxy.url, key=key.token, cache_dir=None, poll_s=3600.0, reports=False)
    with made:
        made.get(NAME)
        yield made


def known(client: Client | AsyncClient) -> int | None:
    """The version in memory, without asking for anything."""
    entry = client._engine._entries.get(Key(NAME))
    return entry.content.version if entry and entry.content else None


def promote(story: Story) -> None:
    """In a thread of its own, whose connection to the database ends with it."""
    story.promote()
    connection.close()


def streams(proxy: Proxy) -> int:
    return len([line for line in proxy.asked if line.endswith("/stream")])


def long_polls(proxy: Proxy) -> int:
    return len([line for line in proxy.asked if "wait=25" in line])


def streams_held(web: Web) -> int:
    numbers = httpx.get(f"{web.url}/metrics", timeout=10, trust_env=False).text
    (line,) = [line for line in numbers.splitlines() if line.startswith("greenroom_delivery_streams{")]
    return int(float(line.rpartition(" ")[2]))


def test_stream__tells_each_promotion_and_withdrawal_over_one_connection(
    web: Web, story: Story, proxy: Proxy, client: Client
) -> None:
    until(lambda: streams_held(web) == 1)
    for number in range(8):
        story.go_back() if number == 5 else story.promote()
        until(lambda: known(client) == story.now)
    withdraw(story.cast.rosa, story.prompt, story.cast.environment("production"), reason="over")
    until(lambda: client.counts()["absent"] == 1)
    assert (streams(proxy), long_polls(proxy)) == (1, 0)
    client.close()
    until(lambda: streams_held(web) == 0)


def test_stream__cut__replays_what_was_missed(web: Web, story: Story, proxy: Proxy, client: Client) -> None:
    for number in range(4):
        until(lambda: streams_held(web) == 1)
        proxy.go_down("hang" if number % 2 else "refuse")
        story.promote()
        proxy.come_back()
        until(lambda: known(client) == story.now)


def test_stream__of_a_server_that_lost_its_listener__is_told_to_look_again(
    web: Web, story: Story, proxy: Proxy, client: Client
) -> None:
    until(lambda: streams_held(web) == 1)
    cut_listeners()
    story.promote()
    until(lambda: known(client) == story.now)
    story.promote()
    until(lambda: known(client) == story.now)
    assert (streams(proxy), long_polls(proxy)) == (1, 0)


def test_stream__of_a_killed_and_restarted_server__is_joined_again(
    web: Web, story: Story, proxy: Proxy, client: Client, tmp_path: Path
) -> None:
    until(lambda: streams_held(web) == 1)
    for number in (signal.SIGKILL, signal.SIGTERM):
        web.stop(number)
        story.promote()
        with run_web(tmp_path) as replacement:
            proxy.come_back(urlsplit(replacement.url).port or 0)
            until(lambda: known(client) == story.now)
            until(lambda up=replacement: streams_held(up) == 1)
            story.promote()
            until(lambda: known(client) == story.now)
    assert long_polls(proxy) == 0


@pytest.mark.parametrize("fault", ["hold", "cut"])
def test_stream__that_a_proxy_keeps_back__leaves_long_polls_for_a_while(
    web: Web, story: Story, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("greenroom.wire.SILENCE_S", 0.5)
    monkeypatch.setattr("greenroom.feed.LOOK_AGAIN_S", 6.0)
    proxy.against_streams = fault
    key = story.cast.key("service", environment="production")
    with Client(environment="production", url=proxy.url, key=key.token, cache_dir=None, poll_s=3600.0) as client:
        client.get(NAME)
        until(lambda: long_polls(proxy) == 1)
        assert streams(proxy) == {"hold": 1, "cut": 3}[fault]
        story.promote()
        until(lambda: known(client) == story.now)
        proxy.against_streams = ""
        monkeypatch.setattr("greenroom.wire.SILENCE_S", 20.0)
        monkeypatch.setattr("greenroom.feed.FEED_WAIT_S", 1)
        story.promote()
        until(lambda: known(client) == story.now)
        until(lambda: streams_held(web) == 1)
        story.promote()
        until(lambda: known(client) == story.now)


def test_stream__of_an_async_client__through_a_restart(web: Web, story: Story, proxy: Proxy, tmp_path: Path) -> None:
    token = story.cast.key("service", environment="production").token

    async def until_known(client: AsyncClient, version: int) -> None:
        async with asyncio.timeout(20):
            while (await client.get(NAME)).version != version:
                await asyncio.sleep(0.01)

    async def listen() -> None:
        place = {"environment": "production", "url": proxy.url, "key": token}
        async with AsyncClient(**place, cache_dir=None, poll_s=3600.0, reports=False) as client:
            await client.get(NAME)
            await asyncio.to_thread(until, lambda: streams_held(web) == 1)
            await asyncio.to_thread(promote, story)
            await until_known(client, story.now)
            await asyncio.to_thread(web.stop, signal.SIGKILL)
            await asyncio.to_thread(promote, story)
            with contextlib.ExitStack() as stack:
                replacement = await asyncio.to_thread(stack.enter_context, run_web(tmp_path))
                proxy.come_back(urlsplit(replacement.url).port or 0)
                await until_known(client, story.now)
                await asyncio.to_thread(until, lambda: streams_held(replacement) == 1)
                assert long_polls(proxy) == 0

    asyncio.run(listen())
