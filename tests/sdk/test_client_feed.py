"""Changes pushed to the client by long poll: soon, each of them, also those that fell between two connections."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from greenroom import Client, NotLive
from greenroom.entries import Key
from tests.sdk.registry_stub import DOWN, NAME, Registry, body, until
from tests.sdk.stub import Stub


def known(client: Client, name: str = NAME) -> Any:
    """The version in memory, without asking for anything."""
    entry = client._engine._entries.get(Key(name))
    return entry.content.version if entry and entry.content else None


@pytest.fixture
def client(registry: Registry, stub: Stub, make: Callable[..., Client]) -> Client:
    """A client that would not ask again by itself: answers are fresh for an hour."""
    registry.max_age, registry.has_feed = 3600, True
    registry.put(body("other/one", revision=2))
    made = make()
    made.warm(NAME, "other/one")
    until(lambda: stub.polls)
    return made


def test_feed__of_what_is_used__brings_each_change_without_a_get(
    registry: Registry, stub: Stub, client: Client
) -> None:
    times = []
    for number in range(3, 13):
        started = time.monotonic()
        registry.put(body(version=number, revision=number))
        until(lambda number=number: known(client) == number)
        times.append(time.monotonic() - started)
    print(f"told after {sorted(times)[len(times) // 2] * 1000:.0f} ms")
    registry.put(body("unused/one", revision=20))
    registry.withdraw("other/one", 21)
    until(lambda: client.counts()["absent"] == 1)
    with pytest.raises(NotLive):
        client.get("other/one")
    assert not [call for call in stub.calls if "unused" in call.path]
    assert {call.path.partition("?")[0] for call in stub.polls} == {"/api/v1/environments/production/changes"}


def test_feed__of_a_name_that_was_never_live__tells_when_it_is(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.live.clear()
    registry.log.clear()
    registry.max_age, registry.has_feed = 3600, True
    client = make()
    with pytest.raises(NotLive):
        client.get(NAME)
    until(lambda: stub.polls)
    registry.put(body(version=1, revision=1))
    until(lambda: known(client) == 1)


def test_feed__gone_and_back__tells_what_was_missed(registry: Registry, stub: Stub, client: Client) -> None:
    registry.trouble = DOWN
    until(lambda: client.counts()["failed"] or len(stub.polls) > 2)
    registry.put(body(version=2, revision=3), body("other/one", version=2, revision=2))
    registry.trouble = None
    # The second one's revision is no news to the feed: joining it anew fetches everything.
    until(lambda: (known(client), known(client, "other/one")) == (2, 2))


def test_feed__pruned__takes_everything_anew(
    registry: Registry, stub: Stub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.kept_since = 50
    registry.put(body(version=2, revision=60))
    until(lambda: known(client) == 2)


def test_feed__of_a_busy_environment__is_followed_from_where_it_is_now(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.max_age, registry.has_feed = 3600, True
    registry.kept_since, registry.says_where = 50, {"revision": 60, "epoch": 1}
    client = make()
    client.get(NAME)
    until(lambda: [call for call in stub.polls if "since=60" in call.path])
    registry.put(body(version=2, revision=61))
    until(lambda: known(client) == 2)


def test_feed__that_never_knows_where_it_is__is_asked_at_the_pace_of_polling(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.has_feed, registry.kept_since, registry.says_where = True, 50, {"revision": 7, "epoch": 1}
    answers, asked_at = registry.answer, []

    def route(call: Any) -> Any:
        if "/changes?" in call.path:
            asked_at.append(time.monotonic())
        return answers(call)

    stub.route = route
    client = make(poll_s=0.5)
    client.get(NAME)
    until(lambda: len(asked_at) >= 6)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    assert min(pauses[1::2]) >= 0.5, "one question says where it is, the next that this is too far back again"


def test_feed__of_a_restored_registry__fetches_all(registry: Registry, stub: Stub, client: Client) -> None:
    registry.log.clear()
    registry.live.clear()
    registry.put(body(version=3, revision=1, epoch=2), body("other/one", version=4, revision=90, epoch=2))
    until(lambda: known(client, "other/one") == 4)
    assert client.get(NAME).version == 3 and client.counts()["epochs"] == 1


def test_feed__a_change_while_an_older_answer_is_under_way__is_asked_for_once_more(
    registry: Registry, stub: Stub, client: Client
) -> None:
    answers = registry.answer

    def slow(call: Any) -> Any:
        reply = answers(call)
        if "/changes?" not in call.path:
            time.sleep(0.3)
        return reply

    stub.route = slow
    registry.put(body(version=2, revision=3))
    until(lambda: [call for call in stub.calls if "triage" in call.path][1:])
    registry.put(body(version=3, revision=4))
    until(lambda: known(client) == 3)


def test_feed__that_the_server_does_not_have__leaves_polling(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    client = make(poll_s=0.05)
    client.get(NAME)
    registry.put(body(version=2, revision=2))
    until(lambda: known(client) == 2)
    assert len(stub.polls) == 1


def test_feed__of_another_epoch__renews_pins_where_nothing_else_is_known(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    registry.max_age, registry.has_feed = 3600, True
    client = make()
    assert client.get(NAME, version=1).digest == body()["digest"]
    until(lambda: client._engine._epoch == 1)
    restored = body(version=1, revision=2, epoch=2, text="other content under the same number")
    registry.put(restored)
    until(lambda: client.counts()["epochs"] == 1)
    until(lambda: client.get(NAME, version=1).digest == restored["digest"])


def test_answer__of_a_server_that_may_be_behind__says_so(
    registry: Registry, stub: Stub, make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged = registry._tagged
    mark = {"X-Registry-Stale": "7"}

    def marked(call: Any, value: Any) -> Any:
        reply = tagged(call, value)
        return replace(reply, headers={**reply.headers, **mark})

    monkeypatch.setattr(registry, "_tagged", marked)
    client = make()
    assert client.get(NAME).registry_stale_s == 7 and client.counts()["marked"] >= 1
    mark.clear()
    until(lambda: client.get(NAME).registry_stale_s == 0)
