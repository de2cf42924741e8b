"""What the client library costs a service: `get` from memory beside a dictionary, rendering beside bare Jinja: `python bench/sdk.py`."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jinja2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sdk" / "python" / "src"))

from greenroom import AsyncClient, Client
from greenroom.content import digest_of

NAME = "support/triage"
TEXT = "You sort messages.\n{% for c in classes %}- {{ c }}\n{% endfor %}\nMessage: {{ message }}\n" + "x" * 1_400
SAID = {
    "template_format": "jinja", "text": TEXT, "variables": {"type": "object", "properties": {"classes": {}, "message": {}}},
    "config": {"model": "small", "temperature": 0}, "tools": None, "response_format": None, "includes": [],
}  # fmt: skip
BODY = {
    "name": NAME, "environment": "production", "version": 1, "digest": digest_of(SAID), "revision": 1, "epoch": 1,
    "kind": "text", **SAID, "deployed_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
VALUES = {"classes": ["card", "pin", "refund", "other"], "message": "My card was declined"}
CALLS, ROUNDS = 100_000, 5


class Registry(BaseHTTPRequestHandler):
    """Says that the one prompt is fresh for an hour."""

    def do_GET(self) -> None:
        raw = json.dumps(BODY).encode()
        self.send_response(200)
        for name, value in {"Cache-Control": "max-age=3600", "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *parts: object) -> None:
        """Quiet."""


def per_call_us(work: Callable[[], object], calls: int = CALLS) -> float:
    """Processor time of a call, the median of five rounds."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(calls):
            work()
        times.append((time.process_time() - started) / calls)
    return statistics.median(times) * 1e6


def async_us(client: AsyncClient) -> float:
    async def rounds() -> float:
        await client.get(NAME)
        times = []
        for _ in range(ROUNDS):
            started = time.process_time()
            for _ in range(CALLS):
                await client.get(NAME)
            times.append((time.process_time() - started) / CALLS)
        return statistics.median(times) * 1e6

    return asyncio.run(rounds())


def contended_us(client: Client, threads: int = 8) -> float:
    """Processor time of a call while others call too."""
    barrier = threading.Barrier(threads + 1)

    def call() -> None:
        barrier.wait()
        for _ in range(CALLS // threads):
            client.get(NAME)

    running = [threading.Thread(target=call) for _ in range(threads)]
    for one in running:
        one.start()
    started = time.process_time()
    barrier.wait()
    for one in running:
        one.join()
    return (time.process_time() - started) / CALLS * 1e6


def main() -> None:
    os.environ["NO_PROXY"] = "127.0.0.1"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {"environment": "production", "url": f"http://127.0.0.1:{server.server_address[1]}", "key": "gr_bench"}
    client, later = Client(cache_dir=None, **options), AsyncClient(cache_dir=None, **options)
    assert client.get(NAME).source == "network" and client.get(NAME).source == "memory"
    prompt, known, bare = client.get(NAME), {NAME: object()}, jinja2.Environment().from_string(TEXT)
    dictionary, jinja = per_call_us(lambda: known[NAME]), per_call_us(lambda: bare.render(VALUES), 2_000)
    rows = [
        ("a dictionary", dictionary, dictionary),
        ("get, fresh in memory", per_call_us(lambda: client.get(NAME)), dictionary),
        ("get, fresh in memory, awaited", async_us(later), dictionary),
        ("get, fresh in memory, 8 threads", contended_us(client), dictionary),
        ("bare Jinja, 1.5 kB", jinja, jinja),
        ("render, 1.5 kB", per_call_us(lambda: prompt.render(**VALUES), 2_000), jinja),
        ("to_openai, 1.5 kB", per_call_us(lambda: prompt.to_openai(**VALUES), 2_000), jinja),
    ]
    for name, microseconds, baseline in rows:
        print(f"{name:36} {microseconds:9.2f} µs   {microseconds / baseline:7.1f} x")
    client.close()


if __name__ == "__main__":
    main()
