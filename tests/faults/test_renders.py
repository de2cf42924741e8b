"""Templates that want all time and memory, many at once: F37. Others are answered meanwhile, and afterwards it is as before."""

import json
import threading
import time
from collections import Counter
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.builders import make_cast, prompt
from tests.faults import table
from tests.faults.ledger import Account
from tests.faults.processes import descendants, memory_mb
from tests.faults.test_clients import fetch_often, words
from tests.servers import run_web

PAYLOADS = Path(__file__).parent.parent / "data" / "sandbox_payloads.jsonl"
AT_ONCE, ROUNDS = 50, 3
UNLIMITED = {"API_REQUESTS_PER_MINUTE": "1000000", "DELIVERY_REQUESTS_PER_MINUTE": "1000000"}
PLACE = "/api/v1/environments/development/prompts/support/triage"


def payloads() -> list[dict[str, object]]:
    """Those that no server should spend much on."""
    rows = [json.loads(line) for line in PAYLOADS.read_text().splitlines()]
    return [
        {"kind": "text", "text": one["template"], "variables": one["variables"]}
        for one in rows
        if one["expected"] != "ok"
    ]


@pytest.mark.faults
def test_renders__that_want_all_there_is__keep_nobody_from_fetching(transactional_db: None, tmp_path: Path) -> None:
    cast = make_cast(f"w{time.monotonic_ns()}")
    prompt(cast.ada)
    key, ci = cast.key("service", environment="development"), cast.key()
    account, answered = Account(), Counter[int]()
    with run_web(tmp_path, **UNLIMITED) as web:
        port, hostile = int(web.url.rpartition(":")[2]), payloads()
        assert len(hostile) > 10
        served = httpx.get(f"{web.url}{PLACE}", headers=key.headers, trust_env=False).content
        before = fetch_often(port, key)

        def attack(number: int) -> None:
            for turn in range(ROUNDS):
                body = hostile[(number * ROUNDS + turn) % len(hostile)]
                try:
                    answer = httpx.post(
                        f"{web.url}/api/v1/preview", json=body, headers=ci.headers, timeout=120, trust_env=False
                    )
                    answered[answer.status_code] += 1
                except httpx.TransportError as error:
                    account.lost.append(f"{number}: {error!r}")

        threads = [threading.Thread(target=attack, args=(number,)) for number in range(AT_ONCE)]
        for one in threads:
            one.start()
        most_mb, during = 0.0, []
        while any(one.is_alive() for one in threads):
            during += fetch_often(port, key)
            most_mb = max(most_mb, memory_mb({web.process.pid, *descendants(web.process.pid)}))
        began = time.monotonic()
        fine = httpx.post(
            f"{web.url}{PLACE}/render", json={"variables": {"name": "Ada"}}, headers=key.headers, trust_env=False
        )
        took = time.monotonic() - began
        account.wrong += [] if fine.status_code == 200 and fine.json()["text"] == "Hello Ada" else [fine.text]
        again = httpx.get(f"{web.url}{PLACE}", headers=key.headers, trust_env=False).content
        account.wrong += [] if again == served else ["another body than before"]
    assert set(answered) <= {200, 422, 503}, answered
    assert sum(answered.values()) == AT_ONCE * ROUNDS
    told = (
        f"next render after {took:.1f} s; {words(before, sorted(during))}; {most_mb:.0f} MB at most; {dict(answered)}"
    )
    table.note(f"F37 {AT_ONCE} hostile renders at once", account, recovery=told, schedules=AT_ONCE * ROUNDS)
