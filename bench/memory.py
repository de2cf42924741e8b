"""Whether a long run makes a worker grow: resident memory of each of its processes over a run of 100,000 results.

`python bench/memory.py [--quick]`: quick is 12,000 results. Looked at twice a second; the level is the median between the first
5,000 and the first 10,000 results, and what is said of a process is its highest and lowest from then on. Judging at the end is in it.
"""

from __future__ import annotations

import time
from collections import defaultdict

import _processes
import _provider
from _scene import QUICK, Scene, median, row, scene, state_of, until_ended, workers
from django.db.models import Sum

CASES = 2_000 if QUICK else 10_000
REPEATS = 6 if QUICK else 10
WARM, LEVEL = 5_000, 10_000
IN_FLIGHT, LATENCY_MS, LOOKS_EVERY_S = 64, 5, 0.5


def watch(place: Scene, suite: object, pid: int) -> dict[int, list[tuple[int, float]]]:
    """For each process of the worker: how many results there were, and its memory in MB."""
    run = place.start(suite)
    seen: dict[int, list[tuple[int, float]]] = defaultdict(list)
    while state_of(run) in {"queued", "running"}:
        done = run.chunks.aggregate(n=Sum("done"))["n"] or 0
        for one in _processes.tree(pid):
            seen[one].append((done, _processes.memory_mb(one)))
        time.sleep(LOOKS_EVERY_S)
    until_ended(run)
    assert run.results.count() == CASES * REPEATS
    return seen


def main() -> None:
    print(_processes.load())
    with _provider.running(LATENCY_MS) as provider, workers(1, provider.port) as (pid,):
        place = scene()
        place.add_provider(provider, concurrency=IN_FLIGHT)
        suite = place.suite("long", CASES, repeats=REPEATS)
        began = time.perf_counter()
        seen = watch(place, suite, pid)
        wall_s = time.perf_counter() - began
        row(
            f"{CASES * REPEATS:,} results, one run", f"{wall_s:.0f} s", "", f"{CASES * REPEATS / wall_s:,.0f} results/s"
        )
        worst = 1.0
        for one, looks in sorted(seen.items()):
            level = [mb for done, mb in looks if WARM <= done <= LEVEL and mb]
            later = [mb for done, mb in looks if done >= WARM and mb]
            if not level:
                continue
            high, low = max(later) / median(level), min(later) / median(level)
            worst = max(worst, high, 2 - low)
            name = _processes.name(one) or "process"
            row(f"  {name} {one}", f"{median(level):.0f} MB", "0.90 to 1.10", f"{low:.2f} to {high:.2f}")
        row("memory after the first 5,000 results, the worst process", "", "± 10 %", f"± {(worst - 1):.0%}")
    print(_processes.load())


if __name__ == "__main__":
    main()
