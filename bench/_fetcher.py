"""A service that fetches at a fixed rate, in a process of its own: `python bench/_fetcher.py URL TOKEN RATE SECONDS`.

A request is due at its time whether the one before has been answered or not, and its latency counts from then: a server that stalls
is not spared the requests that pile up meanwhile. Prints how many were not 200, and all latencies in ms, as one JSON list.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 8


async def main(url: str, token: str, rate: float, seconds: float) -> None:
    parts = urlsplit(url)
    request = (
        f"GET {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {token}\r\naccept: */*\r\n\r\n"
    ).encode()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(parts.hostname, parts.port))
    latencies: list[float] = []
    refused = 0

    async def fetch(due: float) -> None:
        nonlocal refused
        reader, writer = await free.get()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        latencies.append((time.monotonic() - due) * 1000)
        refused += not head.startswith(b"http/1.1 200")
        free.put_nowait((reader, writer))

    began = time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(fetch(due)))
    await asyncio.gather(*tasks)
    print(json.dumps([refused, *latencies]))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
