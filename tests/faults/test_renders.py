"""Templates that want all time and memory, many at once: F37. Others are answered meanwhile, and afterwards it is as before.

Beside them stands what as many harmless previews do to who fetches, which is what hostile ones are to be compared with.
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.builders import Key, make_cast, prompt
from tests.faults import table
from tests.faults.crowd import crowd
from tests.faults.ledger import Account
from tests.faults.processes import descendants, memory_mb, undisturbed
from tests.faults.test_clients import fetch_often, percentile_99, percentiles
from tests.prompts.test_sandbox_process import SLOW
from tests.servers import Web, run_delivery, run_web

PAYLOADS = Path(__file__).parent.parent / "data" / "sandbox_payloads.jsonl"
AT_ONCE, MANY, IDLE_ROUNDS = 50, 6, 8
UNLIMITED = {"API_REQUESTS_PER_MINUTE": "1000000", "DELIVERY_REQUESTS_PER_MINUTE": "1000000"}
PLACE = "/api/v1/environments/development/prompts/support/triage"
ADA = {"name": "Ada"}
PLAIN = {"kind": "text", "template_format": "plain", "text": "Hello {{name}}", "variables": ADA}
HARMLESS = {"kind": "text", "text": "Hello {{ name }}", "variables": ADA}
BURNING = {"kind": "text", "text": SLOW.text, "variables": {}}


def payloads() -> list[object]:
    """Those that no server should spend much on."""
    rows = [json.loads(line) for line in PAYLOADS.read_text().splitlines()]
    return [
        {"kind": "text", "text": one["template"], "variables": one["variables"]}
        for one in rows
        if one["expected"] != "ok"
    ]


@dataclass
class Scene:
    """A web process, a process that only delivers, who fetches from both, and who asks the first for previews."""

    web: Web
    delivery: Web
    key: Key
    ci: Key
    account: Account = field(default_factory=Account)
    most_mb: float = 0.0
    at_rest: dict[str, float] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def measure(
        self, what: str, bodies: list[object], *, allowed: set[int], at_once: int = AT_ONCE, rounds: int
    ) -> None:
        """Fetch while so many ask for these previews, and note how long that took and what was answered to them."""
        beside: dict[str, list[float]] = {name: [] for name in self.places}
        with crowd(_port(self.web), self.ci.headers, bodies, at_once=at_once, rounds=rounds) as callers:
            while callers.is_at_work:
                for name, one in self.places.items():
                    beside[name] += self.fetch(one)
                self.most_mb = max(self.most_mb, memory_mb({self.web.process.pid, *descendants(self.web.process.pid)}))
            answered, lost = callers.found()
        self.account.lost += lost
        assert set(answered) <= allowed, (what, answered)
        assert sum(answered.values()) + len(lost) == at_once * rounds
        self.note(f"{what} {dict(sorted(answered.items()))}", beside)

    def rest(self) -> None:
        """Fetch while nobody asks for anything, which is what the others are compared with."""
        self.note(
            "nobody",
            {name: [t for _ in range(IDLE_ROUNDS) for t in self.fetch(one)] for name, one in self.places.items()},
        )

    def note(self, what: str, beside: dict[str, list[float]]) -> None:
        at_rest = self.at_rest or {name: percentile_99(took) for name, took in beside.items()}
        self.at_rest = at_rest
        words = [f"{percentiles(took)} x{percentile_99(took) / at_rest[name]:.1f}" for name, took in beside.items()]
        self.told.append(f"{what} {', '.join(words)}")

    def fetch(self, one: Web) -> list[float]:
        with undisturbed():
            return fetch_often(_port(one), self.key)

    @property
    def places(self) -> dict[str, Web]:
        return {"web": self.web, "delivery": self.delivery}


@pytest.mark.faults
def test_renders__that_want_all_there_is__keep_nobody_from_fetching(transactional_db: None, tmp_path: Path) -> None:
    cast = make_cast(f"w{time.monotonic_ns()}")
    prompt(cast.ada)
    key, ci = cast.key("service", environment="development"), cast.key()
    with run_web(tmp_path, **UNLIMITED) as web, run_delivery(tmp_path, **UNLIMITED) as delivery:
        scene, hostile = Scene(web, delivery, key, ci), payloads()
        assert len(hostile) > 10
        served = _fetched(scene)
        scene.rest()
        scene.measure("one by one, harmless", [HARMLESS], allowed={200}, at_once=1, rounds=MANY * len(hostile))
        scene.measure("one by one, hostile", hostile, allowed={422}, at_once=1, rounds=MANY * len(hostile))
        scene.measure("at once, plain", [PLAIN], allowed={200}, rounds=3 * MANY)
        scene.measure("at once, harmless", [HARMLESS], allowed={200, 503}, rounds=3 * MANY)
        scene.measure("at once, hostile", hostile, allowed={200, 422, 503}, rounds=3 * MANY)
        scene.measure("at once, burning", [BURNING], allowed={422, 503}, rounds=1)
        began = time.monotonic()
        fine = httpx.post(f"{web.url}{PLACE}/render", json={"variables": ADA}, headers=key.headers, trust_env=False)
        took = time.monotonic() - began
        account = scene.account
        account.wrong += [] if fine.status_code == 200 and fine.json()["text"] == "Hello Ada" else [fine.text]
        account.wrong += [] if _fetched(scene) == served else ["another body than before"]
    told = f"next render after {took:.1f} s; fetch p50/p99 in ms and p99 against that of nobody, of web, of delivery: {'; '.join(scene.told)}; {scene.most_mb:.0f} MB at most"
    table.note(f"F37 {AT_ONCE} hostile renders at once", account, recovery=told, schedules=AT_ONCE * 4)


def _port(web: Web) -> int:
    return int(web.url.rpartition(":")[2])


def _fetched(scene: Scene) -> bytes:
    return httpx.get(f"{scene.web.url}{PLACE}", headers=scene.key.headers, trust_env=False).content
