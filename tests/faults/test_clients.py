"""Clients that drip, dawdle or hold connections open: F39. Everybody else is answered as if they were not there."""

import contextlib
import http.client
import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.builders import Key, make_cast, prompt
from tests.faults import table
from tests.faults.ledger import Account
from tests.faults.stage import wait
from tests.servers import Web

PATH = "/api/v1/environments/development/prompts/support/triage"
SLOW_HEADS, SLOW_BODIES, IDLE, FETCHES = 100, 60, 1_200, 150
HEADS_END_WITHIN_S = 60  # granian's own limit is 30 s
DRIP = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 4_000


class Drips:
    """Connections that send a byte now and then, from one thread."""

    def __init__(self, port: int, heads: int, bodies: int) -> None:
        self._port, self._done = port, threading.Event()
        begun = b"POST /api/v1/preview HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
        self.heads = [self._open(b"") for _ in range(heads)]
        self.bodies = [self._open(begun) for _ in range(bodies)]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Drips":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)
        for one in (*self.heads, *self.bodies):
            one.close()

    def open_heads(self) -> int:
        """How many of those whose head never ends the server still bears."""
        return sum(not _is_closed(one) for one in self.heads)

    def _open(self, begun: bytes) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self._port), 10)
        one.sendall(begun)
        one.setblocking(False)
        return one

    def _run(self) -> None:
        for at in range(len(DRIP)):
            for one in (*self.heads, *self.bodies):
                with contextlib.suppress(OSError):
                    one.send(DRIP[at : at + 1])
            if self._done.wait(0.2):
                return


def _is_closed(one: socket.socket) -> bool:
    try:
        return one.recv(1_000, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextmanager
def idle(port: int, count: int) -> Iterator[None]:
    """Connections that asked once and are kept."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            wire = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            stack.callback(wire.close)
            wire.request("GET", "/livez")
            assert wire.getresponse().read()
        yield


def fetch_often(port: int, key: Key) -> list[float]:
    """Each over a connection of its own, as a new client would; how long each took."""
    took = []
    for _ in range(FETCHES):
        began = time.monotonic()
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        wire.request("GET", PATH, headers=key.headers)
        answer = wire.getresponse()
        assert answer.status == 200 and answer.read()
        wire.close()
        took.append(time.monotonic() - began)
    return sorted(took)


def words(before: list[float], during: list[float]) -> str:
    """Both before and during something."""
    return f"fetch p50/p99 {percentiles(before)} → {percentiles(during)} ms"


def percentiles(took: list[float]) -> str:
    """Median and 99th percentile in milliseconds, as `0.51/4.70`."""
    return f"{statistics.median(took) * 1000:.2f}/{percentile_99(took) * 1000:.2f}"


def percentile_99(took: list[float]) -> float:
    """The 99th percentile, in the unit of what is given."""
    return sorted(took)[len(took) * 99 // 100]


@pytest.mark.parametrize("is_long", [False, pytest.param(True, marks=pytest.mark.faults)])
def test_clients__that_drip_and_hold_connections__keep_nobody_out(
    web: Web, transactional_db: None, is_long: bool
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 4 * IDLE:
        pytest.skip("not run: this system lets a process open too few files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cast = make_cast(f"w{time.monotonic_ns()}")
    prompt(cast.ada)
    key, port = cast.key("service", environment="development"), int(web.url.rpartition(":")[2])
    before = fetch_often(port, key)
    with Drips(port, SLOW_HEADS, SLOW_BODIES) as drips, idle(port, IDLE):
        during = fetch_often(port, key)
        if is_long:
            ended = wait("heads drip for ever", lambda: drips.open_heads() == 0, within_s=HEADS_END_WITHIN_S)
    told = words(before, during) + (f"; slow heads ended after {ended:.0f} s" if is_long else "")
    fault = f"F39 {SLOW_HEADS + SLOW_BODIES} clients drip, {IDLE:,} hold connections"
    table.note(fault, Account(), recovery=told)
