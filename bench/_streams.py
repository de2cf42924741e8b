"""Idle clients of a stream, in a process of their own: `python bench/_streams.py PORT TOKEN ENVIRONMENT COUNT`.

Prints `ready` when all are connected; then, for each change that all have heard, the seconds from the first to the last of them.
Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time

import uvloop


def end_where_it_failed(task: asyncio.Task[None]) -> None:
    """One client that is gone is a measurement that is not one: the bench must not wait for it."""
    if not task.cancelled():
        print(f"a stream ended: {task.exception()!r}", flush=True)
        os._exit(1)


async def client(port: int, request: bytes, told: asyncio.Queue[float], opened: asyncio.Semaphore) -> None:
    async with opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0], head
        await reader.readuntil(b"retry: 2000")
    told.put_nowait(0)
    while line := await reader.readline():
        if line.startswith(b"id: "):
            told.put_nowait(time.perf_counter())


async def main(port: int, token: str, environment: str, count: int) -> None:
    path = f"/api/v1/environments/{environment}/stream"
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n".encode()
    told: asyncio.Queue[float] = asyncio.Queue()
    opened = asyncio.Semaphore(50)
    clients = [asyncio.create_task(client(port, request, told, opened)) for _ in range(count)]
    for one in clients:
        one.add_done_callback(end_where_it_failed)
    for _ in clients:
        await told.get()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.read)
    while not ended.done():
        heard = []
        for _ in clients:
            got = asyncio.ensure_future(told.get())
            await asyncio.wait({got, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return
            heard.append(got.result())
        print(f"{max(heard) - min(heard):.4f}", flush=True)


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
