"""The bridge keeps what Django's handler says, and its threads bounded."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest

from registry.core import wsgi_bridge
from registry.core.wsgi_bridge import WsgiBridge, environ_of

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/a b/ü",
    "query_string": b"q=%C3%BC",
    "http_version": "1.1",
    "scheme": "http",
    "server": ("127.0.0.1", 8000),
    "client": ("10.0.0.7", 4711),
    "headers": [
        (b"host", b"example.com"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"5"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x-forwarded-proto", b"http"),
        (b"x_forwarded_proto", b"https"),
    ],
}


def answer(bridge: WsgiBridge, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the bridge sends for one request."""
    incoming = iter(messages or ({"type": "http.request", "body": b"hello"},))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(bridge(dict(SCOPE), receive, send))
    return sent


@pytest.fixture
def bridged() -> Iterator[Callable[..., WsgiBridge]]:
    made: list[WsgiBridge] = []

    def make(application: Any, **options: int) -> WsgiBridge:
        made.append(WsgiBridge(application, **{"threads": 2, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Body:
    """An iterable of parts that notes when it was closed."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts, self.closed_by = iter(parts), ""

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        self.closed_by = threading.current_thread().name


def test_environ__has_path_query_address_and_headers__none_that_a_proxy_did_not_send():
    environ = environ_of(SCOPE, b"hello")
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/a b/ü"
    assert (environ["QUERY_STRING"], environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("q=%C3%BC", "10.0.0.7", "8000")
    assert (environ["CONTENT_LENGTH"], environ["CONTENT_TYPE"]) == ("5", "text/plain")
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_FORWARDED_PROTO"] == "http"
    assert environ["wsgi.input"].read() == b"hello"


def test_answer__with_a_length__is_one_message_and_closed_on_its_thread(bridged):
    body = Body([b"ab", b"cd"])

    def application(environ, start_response):
        start_response("201 Created", [("Content-Length", "4"), ("X-A", "1"), ("X-A", "2")])
        return body

    start, rest = answer(bridged(application))
    assert (start["status"], start["headers"]) == (201, [(b"content-length", b"4"), (b"x-a", b"1"), (b"x-a", b"2")])
    assert rest["body"] == b"abcd" and body.closed_by.startswith("django")


def test_answer__without_a_length__is_sent_piece_by_piece_and_closed(bridged):
    body = Body([b"a", b"", b"b"])

    def application(environ, start_response):
        start_response("200 OK", [])
        return body

    sent = answer(bridged(application))
    assert [message.get("body") for message in sent[1:]] == [b"a", b"", b"b", b""]
    assert sent[-1].get("more_body") is None and body.closed_by


def test_answer__that_breaks_in_the_middle__is_closed_all_the_same(bridged):
    def parts():
        yield b"a"
        raise RuntimeError("broken")

    body = Body(parts())

    def application(environ, start_response):
        start_response("200 OK", [])
        return body

    with pytest.raises(RuntimeError, match="broken"):
        answer(bridged(application))
    assert body.closed_by


def test_request__whose_caller_has_gone__is_not_worked_on(bridged):
    def application(environ, start_response):
        raise AssertionError("nobody waits for this")

    assert answer(bridged(application), {"type": "http.disconnect"}) == []


def test_requests__more_than_may_wait__are_told_to_come_back(bridged):
    let_go = threading.Event()

    def application(environ, start_response):
        assert let_go.wait(10)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    bridge = bridged(application, threads=1, most_waiting=1)

    async def receive():
        return {"type": "http.request", "body": b""}

    async def one() -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await bridge(dict(SCOPE), receive, send)
        return sent[0]["status"]

    async def three() -> list[int]:
        tasks = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.sleep(0.05)
        let_go.set()
        return await asyncio.gather(*tasks)

    assert sorted(asyncio.run(three())) == [200, 200, 503]


def test_body__that_drips_in__takes_nobodys_place_and_ends_in_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi_bridge, "BODY_WITHIN_S", 0.2)

    async def run() -> tuple[list[Any], list[Any]]:
        def hello(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Length", "2")])
            return [b"hi"]

        bridge = WsgiBridge(hello, threads=1, most_waiting=0)
        slow: list[Any] = []
        quick: list[Any] = []

        async def drip() -> Any:
            await asyncio.sleep(0.05)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def at_once() -> Any:
            return {"type": "http.request", "body": b""}

        async def note(to: list[Any], message: Any) -> None:
            to.append(message)

        dripping = [asyncio.create_task(bridge(SCOPE, drip, partial(note, slow))) for _ in range(5)]
        await asyncio.sleep(0.1)
        await bridge(SCOPE, at_once, partial(note, quick))
        await asyncio.gather(*dripping)
        bridge.close()
        return slow, quick

    slow, quick = asyncio.run(run())
    assert quick[0]["status"] == 200
    assert [one["status"] for one in slow if one["type"] == "http.response.start"] == [408] * 5


class Telling:
    """An application whose answer goes on in the loop; it notes on which thread it was told, and how it ended."""

    def __init__(self, pieces: int) -> None:
        self.pieces, self.told_by, self.closed, self.ended = pieces, set[str](), 0, ""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        self.closed += 1

    async def live(self) -> AsyncGenerator[bytes]:
        try:
            for number in range(self.pieces):
                self.told_by.add(threading.current_thread().name)
                yield str(number).encode()
                await asyncio.sleep(0)
        finally:
            self.ended = "closed"


def test_live_answer__is_told_in_the_loop_after_its_thread_is_free(bridged: Callable[..., WsgiBridge]):
    telling = Telling(3)

    async def talk() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        incoming = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            message = next(incoming, None)
            return message or await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: Any) -> None:
            assert telling.closed == 1, "the view's connection is given back first"
            sent.append(dict(message))

        await bridged(telling)(dict(SCOPE), receive, send)
        return sent

    sent = asyncio.run(talk())
    assert [message.get("body") for message in sent[1:]] == [b"0", b"1", b"2", b""]
    assert telling.told_by == {"MainThread"} and telling.ended == "closed"


def test_live_answer__caller_goes__is_closed_at_once(bridged: Callable[..., WsgiBridge]):
    telling = Telling(1_000_000)
    sent = answer(bridged(telling), {"type": "http.request", "body": b""}, {"type": "http.disconnect"})
    assert telling.ended == "closed" and len(sent) < 1000


def test_bodies__that_take_too_much_together__are_refused_and_forgotten(bridged: Callable[..., WsgiBridge]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    bridge = bridged(app, most_held=200_000)
    large, small = {"type": "http.request", "body": b"x" * 150_000}, {"type": "http.request", "body": b"x" * 60_000}
    for _ in range(3):
        assert answer(bridge, large)[0]["status"] == 200
    with bridge._holding() as hold:
        hold(100_000)
        assert answer(bridge, large)[0]["status"] == 503
        assert answer(bridge, {**small, "more_body": True}, {**small, "more_body": True}, small)[0]["status"] == 503
        assert answer(bridge, small)[0]["status"] == 200, "small ones are let pass"
    assert answer(bridge, large)[0]["status"] == 200
