"""The order of sources and the rules of the client library, against a registry of a few lines that can be put into any state."""

import asyncio
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import greenroom
import pytest
from greenroom import AsyncClient, Client, NotLive, Unavailable
from greenroom.cli.main import main

from tests.sdk.proxy import Proxy
from tests.sdk.registry_stub import Registry, body
from tests.sdk.stub import Reply, Stub, problem

NAME = "support/triage"
DOWN = Reply("<h1>Bad gateway</h1>", 502)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, no proxies, short back-offs."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GREENROOM_KEY", "gr_AbCdEfGhIjKl" + "x" * 38)
    monkeypatch.setenv("GREENROOM_ENVIRONMENT", "production")
    monkeypatch.setattr("greenroom.entries.FIRST_BACK_OFF_S", 0.02)
    monkeypatch.setattr("greenroom.entries.LONGEST_BACK_OFF_S", 0.05)


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.put(body())
    return made


@pytest.fixture
def stub(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with registry.serve() as running:
        monkeypatch.setenv("GREENROOM_URL", running.url)
        yield running


@pytest.fixture
def make(stub: Stub, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Clients that are closed afterwards; copies go into the test's folder unless told otherwise."""
    made: list[Client] = []

    def client(**options: Any) -> Client:
        made.append(Client(**{"cache_dir": tmp_path / "copies", "poll_s": 60.0, **options}))
        return made[-1]

    yield client
    for one in made:
        one.close()


def until(condition: Callable[[], Any]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def serves(client: Client, version: int, name: str = NAME) -> bool:
    return client.get(name).version == version


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
    client = make()
    client.get(NAME)
    registry.put(body(version=2, revision=2, text="Hi {{ name }}"))
    registry.delay_s = 0.3
    started = time.monotonic()
    stale = client.get(NAME)
    assert time.monotonic() - started < 0.25 and (stale.source, stale.version) == ("stale", 1)
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
    client.get(NAME), client.get("other/one")
    client.get("other/one", version=1)
    registry.put(body(version=4, revision=7))
    client.get(NAME)
    until(lambda: client.counts()["went_back"] >= 1)
    assert client.get(NAME).version == 5

    registry.trouble = None
    registry.live.clear()
    registry.pins.clear()
    registry.put(body(version=3, revision=2, epoch=2), body("other/one", 1, 1, 2, text="other"))
    until(lambda: serves(client, 3))
    # What belongs to the time before is gone: pins too.
    assert client.get("other/one", version=1).render(name="A") == "other"
    registry.put(body(version=6, revision=50, epoch=1))
    client.get(NAME)
    until(lambda: client.counts()["failed"] >= 1)
    assert client.get(NAME).version == 3


def test_disk__server_down_at_the_start__is_the_last_known_good_of_this_key_and_place_only(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path
) -> None:
    make().get(NAME)
    make().get(NAME, version=1)
    registry.trouble = DOWN
    client = make()
    found = client.get(NAME)
    assert (found.source, found.version, found.render(name="Ada")) == ("disk", 1, "Hello Ada")
    assert client.get(NAME, version=1).source == "disk"
    for other in ({"environment": "staging"}, {"key": "gr_MnOpQrStUvWx" + "x" * 38}, {"cache_dir": None}):
        with pytest.raises(Unavailable):
            make(**other).get(NAME)
    registry.trouble = None
    registry.max_age = 60
    until(lambda: client.get(NAME).source == "memory")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "copies").rglob("*"))
    assert "x" * 38 not in "".join(path.read_text() for path in (tmp_path / "copies").rglob("*.json"))


@pytest.mark.parametrize("damage", [b"", b"{}\n{}", b"\xff\xfe", "cut", "text"])
def test_disk__damaged_copies__are_left_out(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path, damage: bytes | str
) -> None:
    make().get(NAME)
    (copy,) = (tmp_path / "copies").rglob("*.json")
    whole = copy.read_bytes()
    copy.write_bytes(
        whole[:-9] if damage == "cut" else whole.replace(b"Hello", b"Hallo") if damage == "text" else damage
    )  # type: ignore[arg-type]
    registry.trouble = DOWN
    assert make().get(NAME, default="Good day {{ name }}").source == "default"
    assert not copy.exists()


def test_disk__that_cannot_be_written__costs_nothing_but_the_copy(make: Callable[..., Client], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert make(cache_dir=tmp_path / "file" / "copies").get(NAME).version == 1


def test_disk__a_newer_copy_of_another_process__stays(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    late = make()
    registry.delay_s = 0.3
    slow = threading.Thread(target=lambda: late.get(NAME))
    slow.start()
    until(lambda: stub.calls)
    registry.delay_s = 0
    other = Registry()
    other.put(body(version=2, revision=2))
    stub.route = lambda call: other.answer(call)
    make().get(NAME)
    slow.join()
    registry.trouble, stub.route = DOWN, registry.answer
    assert make().get(NAME).version == 2


def test_disk__a_restore__empties_it(registry: Registry, stub: Stub, make: Callable[..., Client]) -> None:
    registry.put(body("other/one"))
    client = make()
    client.get(NAME), client.get("other/one"), client.get("other/one", version=1)
    registry.put(body(version=1, revision=1, epoch=2))
    until(lambda: client.get(NAME) and client.counts()["epochs"] == 1)
    registry.trouble = DOWN
    fresh = make()
    assert fresh.get(NAME).source == "disk"
    for pin in (None, 1):
        with pytest.raises(Unavailable):
            fresh.get("other/one", version=pin)


def test_lock_file__pulled_by_the_command__serves_when_nobody_else_can(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    registry.put(body("chat/é", messages=[{"role": "user", "content": "{{ name }}"}], config={"t": 0.1, "n": 2**63}))
    assert main(["pull", "--env", "production"]) == 0
    lock = tmp_path / "prompts.lock.json"
    lock.write_bytes(capsysbinary.readouterr().out)
    registry.trouble = DOWN
    client = make(lock_file=lock, cache_dir=None)
    found = client.get("chat/é")
    assert (found.source, found.to_messages(name="A")) == ("file", [{"role": "user", "content": "A"}])
    assert client.get(NAME, version=1).source == "file"
    with pytest.raises(Unavailable):
        client.get(NAME, version=2)
    registry.trouble = None
    registry.put(body(version=2, revision=2))
    until(lambda: serves(client, 2))

    text = lock.read_text()
    for broken in (text.replace("Hello", "Hallo"), text[:-20], "[]", text.replace('"format": 1', '"format": 2')):
        lock.write_text(broken)
        with pytest.raises(greenroom.Corrupt):
            make(lock_file=lock)
    lock.write_text(text)
    with pytest.raises(greenroom.Misconfigured, match="not of staging"):
        make(lock_file=lock, environment="staging")
    with pytest.raises(greenroom.Misconfigured):
        make(lock_file=tmp_path / "none")


def test_lock_file__of_the_time_before_a_restore__is_not_used(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path
) -> None:
    lock = tmp_path / "prompts.lock.json"
    old = {"format": 1, "environment": "production", "revision": 1, "epoch": 1, "prompts": {"old/one": body("old/one")}}
    lock.write_text(json.dumps(old))
    registry.put(body(epoch=2))
    client = make(lock_file=lock)
    client.get(NAME)
    registry.trouble = DOWN
    with pytest.raises(Unavailable):
        client.get("old/one")


def test_get__nobody_knows__waits_once_then_gives_the_default_at_once(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.delay_s = 1.0
    client = make(wait_s=0.1)
    found = client.get(NAME, default="Good day {{ name }}")
    assert (found.source, found.version, found.render(name="Ada")) == ("default", 0, "Good day Ada")
    started = time.monotonic()
    with pytest.raises(Unavailable):
        client.get(NAME)
    chat = client.get(NAME, default=[{"role": "system", "content": "{{ name }}"}])
    assert chat.to_openai(name="A") == {"messages": [{"role": "system", "content": "A"}]}
    assert time.monotonic() - started < 0.5
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
        assert time.monotonic() - started < 0.5
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
    registry.delay_s = 0.3

    async def story() -> None:
        async with AsyncClient(cache_dir=tmp_path / "copies") as client:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticking = asyncio.create_task(tick())
            found = await asyncio.gather(*(client.get(NAME) for _ in range(5)))
            assert {one.version for one in found} == {1} and ticks > 5 and len(stub.calls) == 1
            registry.delay_s = 0
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
    client = make()
    client.get(NAME)
    client.close()
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("greenroom")])
    assert client.get(NAME).version == 1
    with pytest.raises(Unavailable):
        client.get("never/asked")


def test_client__without_an_environment__says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENROOM_ENVIRONMENT")
    with pytest.raises(greenroom.Misconfigured, match="GREENROOM_ENVIRONMENT"):
        Client()
