"""The order of sources and the rules of the client library, against a registry of a few lines that can be put into any state."""

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import greenroom
from greenroom import AsyncClient, Client, NotLive, Unavailable
from tests.sdk.proxy import Proxy
from tests.sdk.registry_stub import DOWN, NAME, Registry, body, serves, until
from tests.sdk.stub import Call, Reply, Stub, problem


def test_get__first_comes_from_the_network_then_from_memory(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.max_age = 60
    client = make()
    first, second = client.get(NAME), client.get(NAME)
    assert (first.source, second.source, len(stub.calls)) == ("network", "memory", 1)
    assert (first.version, first.revision, first.render(name="Ada")) == (1, 1, "Hello Ada")
    assert 0 <= first.age_s <= second.age_s
    assert stub.calls[0].path == "/api/v1/environments/production/prompts/support%2Ftriage"


def test_get__stale__answers_at_once_and_is_refreshed_behind_it(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    client = make(wait_s=60.0)
    client.get(NAME)
    registry.put(body(version=2, revision=2, text="Hi {{ name }}"))
    answers, may_answer = registry.answer, threading.Event()

    def route(call: Call) -> Reply:
        may_answer.wait(20)
        return answers(call)

    stub.route = route
    stale = client.get(NAME)
    assert (stale.source, stale.version, may_answer.is_set()) == ("stale", 1, False)
    may_answer.set()
    until(lambda: serves(client, 2))


def test_get__unchanged__costs_a_304_and_is_fresh_again(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    client = make()
    client.get(NAME)
    registry.max_age = 60
    client.get(NAME)
    until(lambda: client.get(NAME).source == "memory")
    assert client.counts()["unchanged"] == 1 and "If-None-Match" in stub.calls[-1].headers


def test_get__many_threads_at_once__are_one_request(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.delay_s, registry.max_age = 0.2, 60
    client, found = make(), []
    threads = [threading.Thread(target=lambda: found.append(client.get(NAME).version)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 20 and len(stub.calls) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        DOWN,
        Reply(cut=True),
        problem(401, "unauthenticated", "Unknown key."),
        problem(403, "scope.missing", "Not for you."),
        problem(429, "rate.limited", "Slow down.", Retry_After="1"),
        problem(500, "server.error", "A bug."),
        Reply(b"<h1>Nothing here</h1>", 404, {"Content-Type": "text/html"}),
        Reply(b"not json"),
        Reply({"name": "x"}),
        Reply(body("another/prompt")),
        Reply(body(environment="staging")),
        Reply({**body(version=2, revision=2), "text": "tampered"}),
        Reply(None, 302, {"Location": "/login"}),
    ],
)
def test_get__whatever_else_comes__serves_what_was_live(
    registry: Registry, stub: Stub, make: Callable[..., Client], trouble: Reply
) -> None:
    client = make()
    client.get(NAME)
    registry.trouble = trouble
    until(lambda: client.get(NAME).source == "stale" and client.counts()["failed"] >= 1)
    assert (client.get(NAME).version, client.get(NAME, default="x").source) == (1, "stale")
    registry.trouble = None
    registry.put(body(version=2, revision=2))
    until(lambda: serves(client, 2))


def test_get__404_in_the_registrys_words__evicts_everywhere_until_it_is_live_again(
    registry: Registry, stub: Stub, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.engine._full_jitter", lambda longest: 0.05)
    client = make()
    client.get(NAME)
    registry.live.clear()
    with pytest.raises(NotLive, match="Nothing of that name"):
        until(lambda: client.get(NAME, default="a default is no answer to that") is None)
    registry.trouble = DOWN
    with pytest.raises((NotLive, Unavailable)):
        make().get(NAME)
    registry.trouble = None
    registry.put(body(version=2, revision=3))

    def is_back() -> bool:
        try:
            return serves(client, 2)
        except NotLive:
            return False

    until(is_back)


def test_get__an_older_revision__is_never_taken_and_a_restores_is(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.put(body(version=5, revision=9), body("other/one", revision=8))
    client = make()
    client.warm(NAME, "other/one")
    client.get("other/one", version=1)
    registry.put(body(version=4, revision=7))
    until(lambda: client.get(NAME) and client.counts()["went_back"] >= 1)
    assert client.get(NAME).version == 5

    registry.trouble = None
    registry.live.clear()
    registry.pins.clear()
    registry.put(body(version=3, revision=2, epoch=2), body("other/one", 1, 1, 2, text="other"))
    until(lambda: serves(client, 3))
    # What belongs to the time before is gone: pins too.
    assert client.get("other/one", version=1).render(name="A") == "other"
    registry.put(body(version=6, revision=50, epoch=1))
    until(lambda: client.get(NAME) and client.counts()["failed"] >= 1)
    assert client.get(NAME).version == 3


def test_get__nobody_knows__waits_once_then_gives_the_default_at_once(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    answers, may_answer = registry.answer, threading.Event()

    def route(call: Call) -> Reply:
        may_answer.wait(20)
        return answers(call)

    stub.route, wait_s = route, 2.0
    client = make(wait_s=wait_s)
    found = client.get(NAME, default="Good day {{ name }}")
    assert (found.source, found.version, found.render(name="Ada")) == ("default", 0, "Good day Ada")
    started = time.monotonic()
    with pytest.raises(Unavailable):
        client.get(NAME)
    chat = client.get(NAME, default=[{"role": "system", "content": "{{ name }}"}])
    assert chat.to_openai(name="A") == {"messages": [{"role": "system", "content": "A"}]}
    assert time.monotonic() - started < wait_s
    may_answer.set()
    until(lambda: client.get(NAME, default="x").source in {"network", "stale"})


def test_get__connections_hang__is_bounded_and_comes_back_by_itself(
    registry: Registry, stub: Stub, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.wire.TIMEOUT_S", 0.2)
    with Proxy(int(stub.url.rpartition(":")[2])) as proxy:
        client = make(url=proxy.url, wait_s=0.2)
        client.get(NAME)
        proxy.go_down("hang")
        registry.put(body(version=2, revision=2))
        started = time.monotonic()
        assert all(serves(client, 1) for _ in range(50))
        assert time.monotonic() - started < 50 * 0.2, "none of them waits"
        until(lambda: client.counts()["failed"] >= 1)
        proxy.come_back()
        until(lambda: serves(client, 2))


def test_poll__brings_changes_without_being_asked_and_many_names_are_one_question(
    registry: Registry, stub: Stub, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.engine.MOST_POLLED", 5)
    registry.put(*(body(f"many/{n}", revision=n + 1) for n in range(10)))
    registry.max_age = 1
    monkeypatch.setattr("greenroom.engine.FRESH_S", 0.3)
    client = make(poll_s=0.2)
    client.warm()
    asked = [call.path for call in stub.calls]
    assert asked == ["/api/v1/environments/production/snapshot"]
    assert client.get("many/3").source == "memory"
    client.warm("late/one", *[f"many/{n}" for n in range(3)])
    registry.put(body("many/7", version=2, revision=20, text="changed"))
    del registry.live["many/8"]
    until(lambda: client._engine._entries[greenroom.entries.Key("many/7")].content.version == 2)  # type: ignore[union-attr]
    until(lambda: client._engine._entries[greenroom.entries.Key("many/8")].is_absent)
    single = [call.path for call in stub.calls if "many%2F1" in call.path]
    assert registry.snapshots >= 2 and len(single) <= 3


def test_pin__by_number_or_digest__is_that_version_and_not_asked_again(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    first = registry.live[NAME]
    registry.put(body(version=2, revision=2, text="Hi"))
    client = make()
    assert client.get(NAME, version=1).render(name="A") == "Hello A"
    assert client.get(NAME, digest=first["digest"]).version == 1
    assert client.get(NAME).version == 2
    asked = len(stub.calls)
    assert client.get(NAME, version=1).source == "memory" and len(stub.calls) == asked
    with pytest.raises(NotLive):
        client.get(NAME, version=9)
    registry.pins[f"{NAME}/versions/3"] = registry.pins[f"{NAME}/versions/2"]
    with pytest.raises(Unavailable, match="about something else"):
        client.get(NAME, version=3)


def test_fork__with_threads_and_connections__the_child_fetches_by_itself(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    client = make()
    client.get(NAME)

    def child(results: Any) -> None:
        known = client.get(NAME).version
        registry_says = client.get("other/one").version
        until(lambda: serves(client, 2))
        results.put((known, registry_says))
        results.close()
        results.join_thread()
        os._exit(0)

    registry.put(body("other/one", version=7))
    fork = multiprocessing.get_context("fork")
    results: Any = fork.Queue()
    process = fork.Process(target=child, args=(results,))
    process.start()
    registry.put(body(version=2, revision=2))
    assert results.get(timeout=20) == (1, 7)
    process.join(20)
    until(lambda: serves(client, 2))


def test_async__answers_as_the_other_client_does_and_never_holds_the_loop(
    registry: Registry, stub: Stub, tmp_path: Path
) -> None:
    ticks, answers = 0, registry.answer

    def route(call: Call) -> Reply:
        until(lambda: ticks > 5)
        return answers(call)

    stub.route = route

    async def story() -> None:
        async with AsyncClient(cache_dir=tmp_path / "copies", wait_s=60.0) as client:

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticking = asyncio.create_task(tick())
            found = await asyncio.gather(*(client.get(NAME) for _ in range(5)))
            assert {one.version for one in found} == {1} and ticks > 5 and len(stub.calls) == 1
            registry.put(body(version=2, revision=2))
            while (await client.get(NAME)).version == 1:
                await asyncio.sleep(0.01)
            await client.warm()
            await client.warm("other/one")
            with pytest.raises(NotLive):
                await client.get("none/such")
            ticking.cancel()

    asyncio.run(story())


def test_close__keeps_what_is_known_and_leaves_no_thread(stub: Stub, make: Callable[..., Client]) -> None:
    others = set(threading.enumerate())
    client = make()
    client.get(NAME)
    assert [one for one in set(threading.enumerate()) - others if one.name.startswith("greenroom")]
    client.close()
    until(lambda: not [one for one in set(threading.enumerate()) - others if one.name.startswith("greenroom")])
    assert client.get(NAME).version == 1
    with pytest.raises(Unavailable):
        client.get("never/asked")


def test_get__304_for_what_a_restore_dropped_meanwhile__is_asked_for_whole(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.put(body("other/one", revision=2))
    client = make()
    client.warm(NAME, "other/one")
    answers, is_held = registry.answer, threading.Event()

    def route(call: Call) -> Reply:
        reply = answers(call)
        if "other" in call.path and reply.status == 304:
            is_held.wait(10)
        return reply

    stub.route = route
    client.get("other/one")
    until(lambda: [call for call in stub.calls if "other" in call.path][1:])
    registry.put(body(epoch=2), body("other/one", version=1, revision=1, epoch=2, text="after the restore"))
    until(lambda: client.get(NAME) and client.counts()["epochs"] == 1)
    is_held.set()
    until(lambda: client.get("other/one").revision == 1)
    assert client.get("other/one").template == "after the restore"


def test_get__refused_for_good__is_said_once_and_served(
    registry: Registry, stub: Stub, make: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    client.get(NAME)
    registry.trouble = problem(401, "unauthenticated", "This key was revoked.")
    until(lambda: client.get(NAME).version == 1 and client.counts()["failed"] >= 3)
    assert [one.getMessage() for one in caplog.records if "revoked" in one.getMessage()] == [
        f"greenroom: {NAME}: This key was revoked. What is known of it is served meanwhile."
    ]


def test_client__of_a_user_without_a_home__keeps_no_copies(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with Client() as client:
        assert client.get(NAME).version == 1


def test_client__without_an_environment__says_what_to_do(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENROOM_ENVIRONMENT")
    with pytest.raises(greenroom.Misconfigured, match="GREENROOM_ENVIRONMENT"):
        Client()
