"""How fast a run is: 1,000 cases at 50 ms with 32 in flight, against the ideal, and against promptfoo on the same.

`python bench/running.py [--quick] [--no-promptfoo]`. Both ask the same provider with the same prompt and cases. Ours is the time
from the call that starts the run to its verdict, every result durable; promptfoo's that of its whole command.
"""

from __future__ import annotations

import sys
import time

import _processes
import _promptfoo
import _provider
from _scene import QUICK, ROUNDS, Scene, Timed, median, messages, row, scene, spread, until_ended, workers

CASES, LATENCY_MS, IN_FLIGHT = 1000, 50, 32
IDEAL_S = CASES * LATENCY_MS / 1000 / IN_FLIGHT


def timed(place: Scene, suite: object, pids: list[int]) -> Timed:
    """One run on a version that nobody has asked with before."""
    version = place.version()
    before, began = sum(map(_processes.processor_s, pids)), time.perf_counter()
    run = until_ended(place.start(suite, version))
    wall_s = time.perf_counter() - began
    time.sleep(0.3)  # what a worker still does after the verdict is work of this run too
    assert run.results.count() == CASES
    return Timed(run, wall_s, sum(map(_processes.processor_s, pids)) - before)


def main() -> None:
    print(_processes.load())
    with _provider.running(LATENCY_MS) as provider, workers(1, provider.port) as pids:
        place = scene()
        place.add_provider(provider, concurrency=IN_FLIGHT)
        suite = place.suite("thousand", CASES)
        print(f"who only asks the provider waits {provider.latency_ms():.2f} ms")
        timed(place, suite, pids)  # imports, connections, caches of the database
        asked_before, _ = provider.counts()
        own, began = _processes.processor_s(provider.pid), time.perf_counter()
        rounds = [timed(place, suite, pids) for _ in range(ROUNDS)]
        own_s, passed_s = _processes.processor_s(provider.pid) - own, time.perf_counter() - began
        asked, most = provider.counts()
        walls, cpu = [one.wall_s for one in rounds], [one.worker_s / CASES * 1000 for one in rounds]
        row(f"median of {ROUNDS}", "measured", "to reach", "ratio")
        row(f"{CASES:,} cases, {LATENCY_MS} ms, {IN_FLIGHT} in flight", f"{median(walls):.2f} s", f"ideal {IDEAL_S:.2f} s",
            f"{IDEAL_S / median(walls):.2f} of ideal (0.90)")  # fmt: skip
        row("  rounds", spread(walls), "", "")
        row(
            "worker's processor time a case, all included",
            f"{median(cpu):.2f} ms",
            "1.20 ms",
            f"{median(cpu) / 1.2:.2f} of it",
        )
        row("  rounds", spread(cpu), "", "")
        print(
            f"asked {asked - asked_before:,} times, at most {most} at a time; the provider itself used {own_s / passed_s:.0%} of one processor"
        )
        if "--no-promptfoo" not in sys.argv:
            compare(provider, median(walls))
    print(_processes.load())


def compare(provider: _provider.Provider, ours_s: float) -> None:
    """The same against promptfoo; says why where it cannot be."""
    try:
        tool = _promptfoo.find()
    except _promptfoo.Missing as missing:
        row("promptfoo", "not run", "3.5 x", str(missing))
        return
    from _scene import PROMPT

    prompt = PROMPT.replace("{number}", "promptfoo")
    tests = messages(CASES)
    options = {"base_url": provider.base_url, "model": _provider.MODEL, "prompt": prompt, "expected": _provider.ANSWER}
    walls = [tool.evaluate(tests, in_flight=IN_FLIGHT, **options) for _ in range(1 if QUICK else ROUNDS)]
    idle = [tool.evaluate(tests[:1], in_flight=IN_FLIGHT, **options) for _ in range(1 if QUICK else 3)]
    _, most = provider.counts()
    row(f"promptfoo {tool.version} -j {IN_FLIGHT}, whole command", f"{median(walls):.2f} s", "ours 3.5 x faster",
        f"{median(walls) / ours_s:.1f} x")  # fmt: skip
    row("  rounds", spread(walls), "", "")
    without = median(walls) - median(idle) + LATENCY_MS / 1000
    row("  without its start (a command with one case)", f"{without:.2f} s", "", f"{without / ours_s:.1f} x")
    print(f"  at most {most} at a time")


if __name__ == "__main__":
    main()
