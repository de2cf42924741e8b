"""Whether more workers are more speed: two workers against one, 200 ms latency, 32 requests in flight for each worker.

`python bench/scaling.py [--quick]`. A worker here is one process that answers; the provider's concurrency is 32 for one, 64 for two.
"""

from __future__ import annotations

import time

import _processes
import _provider
from _scene import QUICK, ROUNDS, median, row, scene, spread, until_ended, workers

CASES, LATENCY_MS, IN_FLIGHT = 640 if QUICK else 1920, 200, 32


def wall_s(count: int) -> list[float]:
    """Seconds of a run with so many workers, each round."""
    with _provider.running(LATENCY_MS) as provider, workers(count, provider.port, processes=1):
        place = scene()
        place.add_provider(provider, concurrency=IN_FLIGHT * count)
        suite, warm = place.suite("many", CASES), place.suite("warm", 64)
        until_ended(place.start(warm))
        provider.counts()
        walls = []
        for _ in range(ROUNDS):
            version, began = place.version(), time.perf_counter()
            until_ended(place.start(suite, version))
            walls.append(time.perf_counter() - began)
        ideal = CASES * LATENCY_MS / 1000 / IN_FLIGHT / count
        _, most = provider.counts()
        name = f"{count} worker{'s' if count > 1 else ''}, {CASES:,} cases, {LATENCY_MS} ms, {most} in flight"
        row(name, f"{median(walls):.2f} s", f"ideal {ideal:.2f} s", f"{ideal / median(walls):.2f} of ideal")
        row("  rounds", spread(walls), "", "")
    return walls


def main() -> None:
    print(_processes.load())
    row(f"median of {ROUNDS}", "measured", "to reach", "ratio")
    one, two = wall_s(1), wall_s(2)
    row("two workers against one", "", "1.8 x", f"{median(one) / median(two):.2f} x")
    print(_processes.load())


if __name__ == "__main__":
    main()
