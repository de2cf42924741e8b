"""How fast services and pages are served, beside the least that could answer the same: `python bench/delivery.py [--quick]`.

`--only=served,crowd` runs some of its parts: served, compatible, control, crowd, cold, spread.
Servers take turns on the same machine and settings: granian with one worker, 64 connections, a body of 1.5 kB. The load generator,
wrk, is the system's package of that name and shares the processors.
"""

from __future__ import annotations

import http.client
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import _processes
from _scene import QUICK, ROUNDS, Scene, median, row, scene
from _serving import can_load, pids, rate, server
from django.db import connection

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import find_environment
from prompts_app.actions.keys import issue_key
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.versions import create_version
from prompts_app.delivery.bodies import live_entry
from prompts_app.delivery.compatible import GROUP, read_compatible
from prompts_app.delivery.compatible import PREFIX as COMPATIBLE
from prompts_app.delivery.reading import find_live
from prompts_app.models import Environment, PromptVersion
from registry.core.actor import KeyKind

SECONDS = 1 if QUICK else 2
FEW, MANY = 100, 10_000 if QUICK else 100_000
CHANGES, COLD = (30, 100) if QUICK else (300, 1000)
MEMORY_MB, CONNECTIONS = 512, 8
PARTS = ("served", "compatible", "control", "crowd", "cold", "spread")
COPIES = "/api/v1/environments/production/prompts/copy-"
TEXT = "Sort this message into one of the groups below and say nothing else. {{ message }} " * 12

# Prompts by the ten thousand: copies of what is live, in every environment, past the actions that would take hours.
_COPIES = """
WITH made AS (
  INSERT INTO prompts_app_prompt ({prompt_columns})
  SELECT {prompt_values} FROM prompts_app_prompt p, generate_series(%(first)s, %(last)s) n WHERE p.id = %(prompt)s
  RETURNING id, name
), versions AS (
  INSERT INTO prompts_app_promptversion ({version_columns})
  SELECT {version_values} FROM prompts_app_promptversion v, made WHERE v.id = %(version)s RETURNING id, prompt_id
), counted AS (
  SELECT versions.id AS version_id, versions.prompt_id, e.id AS environment_id,
    r.n + row_number() OVER (PARTITION BY e.id ORDER BY versions.prompt_id) AS revision
  FROM versions, prompts_app_environment e JOIN prompts_app_environmentrevision r ON r.environment_id = e.id
  WHERE e.workspace_id = %(workspace)s
), deployed AS (
  INSERT INTO prompts_app_deployment ({deployment_columns})
  SELECT {deployment_values} FROM prompts_app_deployment d, counted c WHERE d.id = %(deployment)s
  RETURNING id, prompt_id, environment_id, revision
), raised AS (
  UPDATE prompts_app_environmentrevision r SET n = m.top
  FROM (SELECT environment_id, max(revision) AS top FROM deployed GROUP BY 1) m WHERE m.environment_id = r.environment_id
)
INSERT INTO prompts_app_livepointer (prompt_id, environment_id, deployment_id)
SELECT prompt_id, environment_id, id FROM deployed
"""


def copy(table: str, source: str, **changed: str) -> tuple[str, str]:
    """Columns of a table, and for each the source's value or another expression."""
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, table)
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'ALWAYS'",
            [table],
        )
        generated = {name for (name,) in cursor.fetchall()}
    names = [column.name for column in described if column.name not in {"id", *generated}]
    return ", ".join(names), ", ".join(changed.get(name, f"{source}.{name}") for name in names)


def fill(place: Scene, version: PromptVersion, first: int, last: int) -> None:
    """More prompts, named copy-N, live everywhere."""
    prompt = copy("prompts_app_prompt", "p", name="'copy-' || lpad(n::text, 6, '0')")
    versions = copy("prompts_app_promptversion", "v", prompt_id="made.id")
    deployments = copy(
        "prompts_app_deployment", "d", prompt_id="c.prompt_id", version_id="c.version_id", revision="c.revision",
        environment_id="c.environment_id", previous_id="NULL", promotion_id="NULL",
    )  # fmt: skip
    sql = _COPIES.format(
        prompt_columns=prompt[0], prompt_values=prompt[1], version_columns=versions[0], version_values=versions[1],
        deployment_columns=deployments[0], deployment_values=deployments[1],
    )  # fmt: skip
    live = version.deployments.order_by("-pk").values_list("pk", flat=True)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "first": first, "last": last, "prompt": version.prompt_id, "version": version.pk, "deployment": live,
                "workspace": place.owner.workspace_id,
            },
        )  # fmt: skip
        cursor.execute("ANALYZE")


def release(place: Scene, environment: Environment, text: str) -> int:
    """A new version made live; the environment's revision then."""
    version = create_version(place.owner, place.prompt, {"text": text}).version
    return apply_promotion(place.owner, open_promotion(place.owner, version, environment), stamp=None).revision


def side_by_side(measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, measured in turns, twice in each round."""
    rounds = [{name: measure() for name, measure in measures.items()} for _ in range(2 * ROUNDS)]
    return {name: median([one[name] for one in rounds]) for name in measures}


def served(place: Scene, service: str, body: Path, path: str, etag: str) -> None:
    key = {"Authorization": f"Bearer {service}"}
    known = {**key, "If-None-Match": etag}
    with server("_bare:application", environment={"BENCH_BODY": str(body)}) as bare, server(OURS) as ours:
        for url in (bare, ours):
            assert (_status(url + path, key), _status(url + path, known)) == (200, 304), url
        found = side_by_side(
            {
                "bare": lambda: rate(bare + path, SECONDS, key),
                "fetch": lambda: rate(ours + path, SECONDS, key),
                "bare, 304": lambda: rate(bare + path, SECONDS, known),
                "fetch, 304": lambda: rate(ours + path, SECONDS, known),
            }
        )
    row("bare application, 200", f"{found['bare']:,.0f}/s", "", "")
    row("fetch of what is live, 200", f"{found['fetch']:,.0f}/s", "0.85", f"{found['fetch'] / found['bare']:.2f}")
    row("bare application, 304", f"{found['bare, 304']:,.0f}/s", "", "")
    ratio = found["fetch, 304"] / found["bare, 304"]
    row("fetch of what is live, 304", f"{found['fetch, 304']:,.0f}/s", "0.90", f"{ratio:.2f}")


OURS = "registry.asgi:application"


def compatible_get(place: Scene, service: str) -> None:
    """A get of the Langfuse-compatible API against a bare application that answers the same bytes."""
    name, key = place.prompt.name, {"Authorization": f"Bearer {service}"}
    entry = read_compatible(place.owner.workspace_id, f"{GROUP}{name}", "production?")
    assert entry is not None
    path = f"{COMPATIBLE}{name}"
    with tempfile.NamedTemporaryFile(prefix="greenroom-bench-") as body:
        body.write(entry.body)
        body.flush()
        with server("_bare:application", environment={"BENCH_BODY": body.name}) as bare, server(OURS) as ours:
            found = side_by_side(
                {"bare": lambda: rate(bare + path, SECONDS, key), "ours": lambda: rate(ours + path, SECONDS, key)}
            )
    row(f"bare application, {len(entry.body):,} bytes", f"{found['bare']:,.0f}/s", "", "")
    row("Langfuse-compatible get", f"{found['ours']:,.0f}/s", "0.80", f"{found['ours'] / found['bare']:.2f}")


def controlled(ci: str) -> None:
    key, path = {"Authorization": f"Bearer {ci}"}, "/api/v1/prompts/support/intent/versions/1"
    threads = ("--blocking-threads", "8")
    with server("_wsgi:application", *threads, interface="wsgi") as alone, server(OURS) as ours:
        found = side_by_side(
            {"wsgi": lambda: rate(alone + path, SECONDS, key), "ours": lambda: rate(ours + path, SECONDS, key)}
        )
    row("control API read, granian WSGI alone", f"{found['wsgi']:,.0f}/s", "", "")
    row("control API read, as served", f"{found['ours']:,.0f}/s", "0.70", f"{found['ours'] / found['wsgi']:.2f}")


def crowded(place: Scene, version: PromptVersion, service: str) -> None:
    """Readers spread evenly over all prompts of one environment, against as many different addresses of the first hundred.

    The query means nothing to the server: it makes the load generator's work and the addresses' length the same.
    """
    key = {"Authorization": f"Bearer {service}"}
    bound = {"DELIVERY_MEMORY_MB": str(MEMORY_MB)}
    few = [f"{COPIES}{n % FEW + 1:06}?{n:06}" for n in range(MANY)]
    many = [f"{COPIES}{n + 1:06}?{n:06}" for n in range(MANY)]
    fill(place, version, 1, FEW)
    with server(OURS, environment=bound) as small:
        fetch_all(small, few[:FEW], service)
        fill(place, version, FEW + 1, MANY)
        with server(OURS, environment=bound) as large:
            began = time.perf_counter()
            fetch_all(large, many, service)
            filled_s = time.perf_counter() - began
            rate(large, 2, key, paths=many)
            misses = metric(large, "misses_total")
            found = side_by_side(
                {
                    "small": lambda: rate(small, SECONDS, key, paths=few),
                    "large": lambda: rate(large, SECONDS, key, paths=many),
                    "part": lambda: rate(large, SECONDS, key, paths=few),
                }
            )
            held = int(float(metric(large, "bytes")) / 2**20)
            entries = metric(large, "entries")
            missed = int(metric(large, "misses_total")) - int(misses)
            resident = [max(map(_processes.memory_mb, _processes.tree(pids[url]))) for url in (small, large)]
    ratio = {name: f"{value / found['small']:.2f}" for name, value in found.items()}
    row(f"fetch, {FEW} prompts x 3 environments", f"{found['small']:,.0f}/s", "", "")
    row(f"fetch, {MANY:,} x 3, evenly over one", f"{found['large']:,.0f}/s", "0.90", ratio["large"])
    row(f"fetch, {MANY:,} x 3, evenly over {FEW} of them", f"{found['part']:,.0f}/s", "", ratio["part"])
    row("  held", f"{held} MB in {entries} answers", f"≤ {MEMORY_MB} MB", "")
    row("  memory of the process, more than with 100", f"{resident[1] - resident[0]:.0f} MB", f"≤ {MEMORY_MB} MB", "")
    row("  read into it, eight at a time", f"{MANY / filled_s:,.0f}/s", "", "")
    row("  not found in memory meanwhile", str(missed), "0", "")


def spread_out(place: Scene, service: str) -> None:
    environment = find_environment(place.owner.workspace_id, "production")
    path = "/api/v1/environments/production/prompts/support/intent"
    times = []
    with server(OURS) as one, server(OURS) as other:
        wires = [_wire(url) for url in (one, other)]
        time.sleep(2)
        for number in range(CHANGES):
            revision = release(place, environment, f"{TEXT} {number}")
            began = time.perf_counter()
            for wire in wires:
                while _revision(wire, path, service) < revision:
                    pass
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    row("committed → both processes answer with it, p50", f"{times[len(times) // 2]:.1f} ms", "", "")
    row("committed → both processes answer with it, p99", f"{times[int(len(times) * 0.99)]:.1f} ms", "50 ms", "")


def cold(place: Scene, version: PromptVersion, service: str) -> None:
    if not find_live(place.owner.workspace_id, "production", f"copy-{COLD:06}"):
        fill(place, version, 1, COLD)
    times = []
    with server(OURS) as ours:
        fetch(ours, "/api/v1/environments/production/prompts/support/intent", service)
        wire = _wire(ours)
        for n in range(1, COLD + 1):
            began = time.perf_counter()
            _revision(wire, f"{COPIES}{n:06}", service)
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    row("cold miss, p50", f"{times[len(times) // 2]:.1f} ms", "", "")
    row("cold miss, p99", f"{times[int(len(times) * 0.99)]:.1f} ms", "15 ms", "")


def fetch(url: str, path: str, service: str) -> None:
    _revision(_wire(url), path, service)


def fetch_all(url: str, paths: Sequence[str], service: str) -> None:
    """Each address once, over eight connections."""

    def walk(first: int) -> None:
        wire = _wire(url)
        for path in paths[first::CONNECTIONS]:
            _revision(wire, path, service)

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(walk, range(CONNECTIONS)))


def metric(url: str, name: str) -> str:
    wire = _wire(url)
    wire.request("GET", "/metrics")
    lines = wire.getresponse().read().decode().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"greenroom_delivery_{name}{{"))


def _wire(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=20)


def _status(url: str, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    wire = http.client.HTTPConnection(parts.netloc, timeout=20)
    wire.request("GET", parts.path, headers=headers)
    return wire.getresponse().status


def _revision(wire: http.client.HTTPConnection, path: str, service: str) -> int:
    wire.request("GET", path, headers={"Authorization": f"Bearer {service}"})
    answer = wire.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    return int(answer.headers["X-Registry-Revision"])


def main() -> None:
    if not can_load():
        raise SystemExit("not run: it needs wrk (apt-get install wrk)")
    asked = [word.removeprefix("--only=").split(",") for word in sys.argv if word.startswith("--only=")]
    wanted = asked[0] if asked else PARTS
    if unknown := set(wanted) - set(PARTS):
        raise SystemExit(f"There is no part {', '.join(unknown)}: there are {', '.join(PARTS)}.")
    print(_processes.load())
    place = scene()
    environment = find_environment(place.owner.workspace_id, "production")
    release(place, environment, TEXT)
    version = place.prompt.versions.get(number=1)
    service = issue_key(place.owner, kind=KeyKind.SERVICE, name="bench", environment="production").token.token
    ci = issue_key(place.owner, kind=KeyKind.CI, name="bench").token.token
    live = find_live(place.owner.workspace_id, "production", place.prompt.name)
    assert live is not None
    entry = live_entry(live)
    row(f"median of {ROUNDS}, {len(entry.body):,} bytes", "measured", "to reach", "ratio")
    if "served" in wanted:
        with tempfile.NamedTemporaryFile(prefix="greenroom-bench-") as body:
            body.write(entry.body)
            body.flush()
            path = f"/api/v1/environments/production/prompts/{place.prompt.name}"
            served(place, service, Path(body.name), path, entry.etag)
    if "compatible" in wanted:
        compatible_get(place, service)
    if "control" in wanted:
        controlled(ci)
    if "crowd" in wanted:
        crowded(place, version, service)
    if "cold" in wanted:
        cold(place, version, service)
    if "spread" in wanted:
        spread_out(place, service)
    print(_processes.load())


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    main()
