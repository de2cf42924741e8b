"""From a promotion to a connected client that returns it: `python bench/pushing.py [--quick]`.

A web process as `make run` starts it, and a service with the client library in this process. Nothing else could bring the change: answers
count as fresh, and polls are due, long after the end.
"""

from __future__ import annotations

import sys
import time

import _processes
from _scene import QUICK, ROOT, median, row, scene
from _serving import server

sys.path.insert(0, str(ROOT / "sdk" / "python" / "src"))

import greenroom.wire
from greenroom import Client
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import find_environment
from prompts_app.actions.keys import issue_key
from prompts_app.actions.promotions import open_promotion
from registry.core.actor import KeyKind

PROMOTIONS = 30 if QUICK else 300
HOUR_S = 3600.0


def main() -> None:
    print(_processes.load())
    greenroom.wire._max_age = lambda key, headers: HOUR_S
    place = scene()
    where = find_environment(place.owner.workspace_id, "production")
    versions = [place.version(), place.version()]
    apply_promotion(place.owner, open_promotion(place.owner, versions[0], where), stamp=None)
    token = issue_key(place.owner, kind=KeyKind.SERVICE, name="bench", environment="production").token.token
    from_call, from_commit = [], []
    with (
        server("registry.asgi:application") as url,
        Client(environment="production", url=url, key=token, cache_dir=None, poll_s=HOUR_S) as client,
    ):
        client.get(place.prompt.name)
        time.sleep(1)
        for number in range(PROMOTIONS):
            version = versions[(number + 1) % 2]
            asked = open_promotion(place.owner, version, where)
            called = time.perf_counter()
            apply_promotion(place.owner, asked, stamp=None)
            committed = time.perf_counter()
            while client.get(place.prompt.name).version != version.number:
                if time.perf_counter() - called > 30:
                    raise SystemExit("The client was not told within 30 s.")
                time.sleep(0.0005)
            from_call.append((time.perf_counter() - called) * 1000)
            from_commit.append((time.perf_counter() - committed) * 1000)
    row(f"{PROMOTIONS} promotions", "measured", "to reach", "share of it")
    for name, times in (("from the call that applies", from_call), ("from its return", from_commit)):
        p99 = sorted(times)[int(len(times) * 0.99)]
        row(f"{name}, median", f"{median(times):.1f} ms", "", "")
        row(f"{name}, p99", f"{p99:.1f} ms", "500 ms", f"{p99 / 500:.2f} x")
        row(f"{name}, longest", f"{max(times):.1f} ms", "", "")
    print(_processes.load())


if __name__ == "__main__":
    main()
