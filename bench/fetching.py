"""Whether evaluation slows down services: fetch p99 with 10,000 cases queued or more and two workers at work, against idle.

`python bench/fetching.py [--quick]`. Web process, workers, provider, engines and the fetching service share the machine's processors.
Idle and busy rounds take turns; a service fetches what is live 50 times a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import _processes
import _provider
from _scene import QUICK, ROUNDS, Scene, median, row, scene, spread, state_of, workers
from _serving import server

from evals_app.actions.runs import cancel_run
from evals_app.models import Result
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import find_environment
from prompts_app.actions.keys import issue_key
from prompts_app.actions.promotions import open_promotion
from registry.core.actor import KeyKind

CASES, RUNS, IN_FLIGHT, LATENCY_MS = 10_000, 3, 64, 50
RATE, SECONDS = 50, 5 if QUICK else 12


def go_live(place: Scene) -> str:
    """A version live in production, and a service's key that may fetch it."""
    where = find_environment(place.owner.workspace_id, "production")
    asked = open_promotion(place.owner, place.version(), where)
    apply_promotion(place.owner, asked, stamp=None)
    return issue_key(place.owner, kind=KeyKind.SERVICE, name="bench", environment="production").token.token


def fetch(url: str, token: str, seconds: float = SECONDS) -> tuple[float, float]:
    """p50 and p99 in ms."""
    command = [sys.executable, str(Path(__file__).with_name("_fetcher.py")), url, token, str(RATE), str(seconds)]
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=120)
    refused, *latencies = json.loads(answer.stdout)
    if refused:
        raise SystemExit(f"{refused} of {len(latencies)} fetches were not answered with 200")
    latencies.sort()
    return latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]


def busy(place: Scene, suite: object, url: str, token: str) -> tuple[float, float, float]:
    """p50 and p99 while runs of 10,000 cases each are worked through, and how many results a second came meanwhile."""
    runs = [place.start(suite) for _ in range(RUNS)]
    results = Result.objects.filter(run__in=runs)
    while results.count() < 100:
        time.sleep(0.1)
    before, began = results.count(), time.perf_counter()
    found = fetch(url, token)
    rate = (results.count() - before) / (time.perf_counter() - began)
    if state_of(runs[-1]) not in {"queued", "running"}:
        raise SystemExit("The last run ended before the fetching had: it needs more cases.")
    for run in runs:
        if state_of(run) in {"queued", "running"}:
            cancel_run(place.owner, run)
    time.sleep(3)  # workers notice within two seconds
    return *found, rate


def main() -> None:
    print(_processes.load())
    with (
        server("registry.asgi:application") as address,
        _provider.running(LATENCY_MS) as provider,
        workers(2, provider.port, processes=1),
    ):
        place = scene()
        place.add_provider(provider, concurrency=IN_FLIGHT)
        suite = place.suite("queued", CASES)
        token = go_live(place)
        url = f"{address}/api/v1/environments/production/prompts/support/intent"
        fetch(url, token, 3)
        rounds = [(fetch(url, token), busy(place, suite, url, token)) for _ in range(ROUNDS)]
        idle_p99, busy_p99 = [idle[1] for idle, _ in rounds], [found[1] for _, found in rounds]
        row(f"median of {ROUNDS}, {RATE} fetches/s", "measured", "to reach", "ratio")
        row("fetch p50, idle", f"{median([idle[0] for idle, _ in rounds]):.1f} ms", "", "")
        row("fetch p99, idle", f"{median(idle_p99):.1f} ms", "", "")
        row("  rounds", spread(idle_p99), "", "")
        row("fetch p50, workers at work", f"{median([found[0] for _, found in rounds]):.1f} ms", "", "")
        ratio = median(busy_p99) / median(idle_p99)
        row("fetch p99, workers at work", f"{median(busy_p99):.1f} ms", "2 x idle", f"{ratio:.2f} x")
        row("  rounds", spread(busy_p99), "", "")
        print(f"results a second meanwhile: {median([found[2] for _, found in rounds]):.0f}")
    print(_processes.load())


if __name__ == "__main__":
    main()
