"""How fast an exploratory run is that was made before: every answer comes from the cache, none from the provider.

`python bench/cache.py [--quick]`. The first run asks the provider and fills the cache; the second is the same run once more.
"""

from __future__ import annotations

import time

import _processes
import _provider
from _scene import QUICK, ROUNDS, median, row, scene, spread, until_ended, workers

CASES, IN_FLIGHT, LATENCY_MS = 1_000 if QUICK else 5_000, 64, 5


def main() -> None:
    print(_processes.load())
    with _provider.running(LATENCY_MS) as provider, workers(1, provider.port) as pids:
        place = scene()
        place.add_provider(provider, concurrency=IN_FLIGHT)
        suite = place.suite("again", CASES)
        config = {"temperature": 0}
        version = place.version()
        began = time.perf_counter()
        until_ended(place.start(suite, version, config=config))
        first_s = time.perf_counter() - began
        walls, asked_again = [], 0
        for _ in range(ROUNDS):
            before, began = provider.counts()[0], time.perf_counter()
            until_ended(place.start(suite, version, config=config))
            walls.append(time.perf_counter() - began)
            asked_again = max(asked_again, provider.counts()[0] - before)
        row(f"median of {ROUNDS}", "measured", "to reach", "ratio")
        row(f"first run, {CASES:,} cases at {LATENCY_MS} ms", f"{first_s:.2f} s", "", f"{CASES / first_s:,.0f} cases/s")
        rate = CASES / median(walls)
        row(
            "the same again", f"{median(walls):.2f} s", "2,000 cases/s", f"{rate:,.0f} cases/s, {rate / 2000:.2f} of it"
        )
        row("  rounds", spread(walls), "", "")
        print(f"the provider was asked {asked_again:,} times in a repeat: 0 when the cache answers everything")
        print(f"processor time of the worker so far: {sum(map(_processes.processor_s, pids)):.1f} s")
    print(_processes.load())


if __name__ == "__main__":
    main()
