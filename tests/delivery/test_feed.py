"""Streams: what moved is told in order, what was missed is replayed, and what is too much becomes `resync`."""

import json

import pytest

from prompts_app.delivery import feed, reading
from registry.core.actions.keys import find_key, revoke_key
from tests.builders import Cast, Key, prompt, version
from tests.delivery.history import cut_listeners
from tests.delivery.planes import Plane, running_plane, until

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "environments/development/stream"


@pytest.fixture
def plane():
    with running_plane() as running:
        yield running


@pytest.fixture
def service(cast: Cast) -> Key:
    return cast.key("service", environment="development")


def told(events: list[str]) -> list[tuple[int, list[str]]]:
    """Revision and prompts of each event that names some."""
    found = []
    for event in events:
        if event.startswith("id: "):
            number, data = event.removeprefix("id: ").split("\ndata: ")
            body = json.loads(data)
            assert body["revision"] == int(number)
            found.append((int(number), body["prompts"]))
    return found


def test_stream__while_things_move__tells_each_in_order(cast: Cast, service: Key, plane: Plane):
    made = prompt(cast.ada, text="one")
    with plane.stream(PATH, service) as stream:
        until(lambda: stream.events != [])
        assert dict(stream.sent[0]["headers"])[b"content-type"] == b"text/event-stream"
        version(cast.ada, made, "two")
        prompt(cast.ada, "größer", text="x")
        until(lambda: len(told(stream.events)) == 2)
        assert told(stream.events) == [(2, ["support/triage"]), (3, ["größer"])]
        assert plane.store.feed.count == 1
    assert plane.store.feed.count == 0


def test_stream__of_who_comes_back__replays_what_was_missed(cast: Cast, service: Key, plane: Plane):
    made = prompt(cast.ada, text="one")
    for text in ("two", "three"):
        version(cast.ada, made, text)
    with plane.stream(PATH, service, Last_Event_ID="1") as stream:
        until(lambda: len(told(stream.events)) == 2)
        assert told(stream.events) == [(2, ["support/triage"]), (3, ["support/triage"])]
    for unknown in ("99", "x", "-1", "9" * 40):
        with plane.stream(PATH, service, Last_Event_ID=unknown) as stream:
            until(lambda: "event: resync" in stream.text)
            assert told(stream.events) == []


def test_stream__of_who_missed_too_much__is_told_to_resync(cast: Cast, service: Key, plane: Plane, monkeypatch):
    monkeypatch.setattr(reading, "MOST_CHANGES", 1)
    made = prompt(cast.ada, text="one")
    for text in ("two", "three", "four"):
        version(cast.ada, made, text)
    with plane.stream(PATH, service, Last_Event_ID="1") as stream:
        until(lambda: "event: resync" in stream.text)
        assert told(stream.events) == []


def test_stream__that_reads_too_slowly__is_told_to_resync_and_holds_little(cast: Cast, service: Key, plane: Plane):
    cast.environment("development")

    def flood() -> int:
        with plane.store.feed.subscribed((cast.workspace.pk, "development"), "someone") as slow:
            for revision in range(1, 500):
                plane.store.feed.moved((cast.workspace.pk, "development"), revision, "a")
            unread = [slow.news.get_nowait() for _ in range(slow.news.qsize())]
        assert unread[0] == feed.RESYNC and all(one.startswith(b"id: ") for one in unread[1:])
        return len(unread)

    assert plane.in_loop(flood) <= feed.MOST_UNREAD


def test_stream__in_silence__says_that_it_is_there_and_ends_in_time(
    cast: Cast, service: Key, plane: Plane, monkeypatch
):
    prompt(cast.ada)
    monkeypatch.setattr(feed, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(feed, "LONGEST_STREAM_S", 0.5)
    with plane.stream(PATH, service) as stream:
        until(lambda: stream.is_over)
        assert stream.text.count(": still here") >= 2
        assert stream.sent[-1] == {"type": "http.response.body", "body": b""}


def test_stream__whose_key_is_revoked__ends_at_once(cast: Cast, service: Key, plane: Plane):
    prompt(cast.ada)
    other = cast.key("service", environment="development", name="other")
    with plane.stream(PATH, service) as stream, plane.stream(PATH, other) as stays:
        until(lambda: stream.events != [] and stays.events != [])
        revoke_key(cast.olga, find_key(cast.workspace.pk, service.pk))
        until(lambda: stream.is_over)
        assert not stays.is_over


def test_stream__after_the_listener_was_cut__is_told_to_resync(cast: Cast, service: Key, plane: Plane):
    made = prompt(cast.ada, text="one")
    assert plane.get("environments/development/prompts/support/triage", service).json["version"] == 1
    with plane.stream(PATH, service) as stream:
        until(lambda: stream.events != [])
        cut_listeners()
        version(cast.ada, made, "two")
        until(lambda: "event: resync" in stream.text or told(stream.events) != [])
    until(lambda: plane.get("environments/development/prompts/support/triage", service).json["version"] == 2)


def test_stream__more_than_a_process_holds__is_told_to_come_back(cast: Cast, service: Key, plane: Plane, monkeypatch):
    prompt(cast.ada)
    from prompts_app.delivery import plane as module

    monkeypatch.setattr(module, "MOST_STREAMS", 0)
    refused = plane.get(PATH, service)
    assert (refused.status, refused.code) == (503, "streams.full") and refused.headers["retry-after"] == "30"
