"""Whether 2,000 idle clients of the stream harm fetches of the same process: `python bench/streams.py [--quick]`.

Fetches come 100 a second over 8 connections, in turns without and with the streams; then each change is told to all of them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import _processes
from _scene import QUICK, ROUNDS, median, row, scene
from _serving import server
from delivery import OURS, metric, release

from prompts_app.actions.environments import find_environment
from prompts_app.actions.keys import issue_key
from registry.core.actor import KeyKind

STREAMS, RATE, SECONDS = 2_000, 100, 4 if QUICK else 8


@contextlib.contextmanager
def streams(port: str, token: str) -> Iterator[subprocess.Popen[str]]:
    """So many clients, all connected."""
    command = [sys.executable, str(Path(__file__).with_name("_streams.py")), port, token, "production", str(STREAMS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdin
    try:
        if (said := process.stdout.readline()) != "ready\n":
            raise SystemExit(f"The streams were not opened: {said}")
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def fetch(url: str, token: str) -> tuple[float, float]:
    """p50 and p99 in ms."""
    command = [sys.executable, str(Path(__file__).with_name("_fetcher.py")), url, token, str(RATE), str(SECONDS)]
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=120)
    refused, *latencies = json.loads(answer.stdout)
    if refused:
        raise SystemExit(f"{refused} of {len(latencies)} fetches were not answered with 200")
    latencies.sort()
    return latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]


def main() -> None:
    print(_processes.load())
    place = scene()
    environment = find_environment(place.owner.workspace_id, "production")
    release(place, environment, "Sort this: {{ message }}")
    token = issue_key(place.owner, kind=KeyKind.SERVICE, name="bench", environment="production").token.token
    alone, beside, told = [], [], []
    with server(OURS) as web:
        url, port = f"{web}/api/v1/environments/production/prompts/{place.prompt.name}", web.rpartition(":")[2]
        fetch(url, token)
        for number in range(ROUNDS):
            alone.append(fetch(url, token)[1])
            with streams(port, token) as clients:
                assert clients.stdout
                held = metric(web, "streams")
                beside.append(fetch(url, token)[1])
                release(place, environment, f"Sort this: {{{{ message }}}} {number}")
                told.append(float(clients.stdout.readline()) * 1000)
            time.sleep(1)
    row(f"median of {ROUNDS}, {RATE} fetches/s", "measured", "to reach", "ratio")
    row("fetch p99, no streams", f"{median(alone):.1f} ms", "", "")
    row(
        f"fetch p99, {held} idle streams",
        f"{median(beside):.1f} ms",
        "no harm",
        f"{median(beside) / median(alone):.2f} x",
    )
    row("a change, from the first client told to the last", f"{median(told):.0f} ms", "", "")
    print(_processes.load())


if __name__ == "__main__":
    main()
