"""The cheapest provider that speaks the protocol, in a process of its own: what it costs is not to be held against anybody.

It answers each chat completion with the same bytes after a fixed time, and counts. Standalone:
`python bench/_provider.py LATENCY_MS` prints its port, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ANSWER = "card_arrival"
MODEL = "fixed"
_BODY = json.dumps(
    {
        "id": "chatcmpl-fixed",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42},
    }
).encode()


def _http(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


_REPLY = _http(_BODY)


class Server(asyncio.Protocol):
    """One connection; requests come one after the other. Counts are the class's: there is one provider a process."""

    latency_s = 0.0
    asked = in_flight = most_in_flight = 0

    def connection_made(self, transport: asyncio.WriteTransport) -> None:
        self.transport, self.waiting = transport, b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, gap, body = self.waiting.partition(b"\r\n\r\n")
        if not gap:
            return
        if head.startswith(b"GET"):
            self.waiting = b""
            self._tell_counts()
            return
        lowered = head.lower()
        at = lowered.index(b"content-length:") + 15
        if len(body) < int(lowered[at : at + 20].split(b"\r\n", 1)[0]):
            return
        self.waiting = b""
        Server.asked += 1
        Server.in_flight += 1
        Server.most_in_flight = max(Server.most_in_flight, Server.in_flight)
        asyncio.get_running_loop().call_later(Server.latency_s, self._answer)

    def _answer(self) -> None:
        Server.in_flight -= 1
        if not self.transport.is_closing():
            self.transport.write(_REPLY)

    def _tell_counts(self) -> None:
        counts = {"asked": Server.asked, "most_in_flight": Server.most_in_flight}
        Server.most_in_flight = Server.in_flight
        self.transport.write(_http(json.dumps(counts).encode()))


@dataclass(frozen=True)
class Provider:
    """A running provider."""

    pid: int
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def counts(self) -> tuple[int, int]:
        """How many were asked since it started, and the most at a time since this was last called."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/counts", timeout=10) as answer:
            found = json.load(answer)
        return found["asked"], found["most_in_flight"]

    def latency_ms(self, rounds: int = 20) -> float:
        """How long a client that does nothing else waits for an answer, one question after the other; median."""
        ask = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            waited = []
            for _ in range(rounds):
                began = time.perf_counter()
                connection.sendall(ask)
                connection.recv(65_536)
                waited.append(time.perf_counter() - began)
        return statistics.median(waited) * 1000


@contextlib.contextmanager
def running(latency_ms: float) -> Iterator[Provider]:
    """A provider for the length of the block that answers whoever only asks after so long: timers are late by some tenths."""
    with _started(latency_ms) as untrue:
        late_ms = untrue.latency_ms() - latency_ms
    with _started(latency_ms - late_ms) as provider:
        yield provider


@contextlib.contextmanager
def _started(delay_ms: float) -> Iterator[Provider]:
    command = [sys.executable, str(Path(__file__).resolve()), str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        try:
            yield Provider(process.pid, int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(10)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    await ended.wait()
    os._exit(0)


if __name__ == "__main__":
    Server.latency_s = float(sys.argv[1]) / 1000
    # Not uvloop, whose timers count in whole milliseconds.
    asyncio.run(_serve(), loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector()))
