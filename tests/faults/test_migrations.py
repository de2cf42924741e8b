"""F22: the next release's migration while this one serves. It waits for nobody long, and nobody for it; nothing is lost."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psycopg
import pytest

from tests.faults import table
from tests.faults.ledger import Account
from tests.faults.own_database import Database, Shop, own_database
from tests.servers import ROOT, run_web

pytestmark = pytest.mark.faults
SETTINGS = "tests.faults.next_release.settings"
WRITERS, READERS = 3, 3
WAITS = "in use for longer"


class Load:
    """Pipelines that save versions and services that fetch, all the time; every answer is noted."""

    def __init__(self, shop: Shop, urls: list[str]) -> None:
        self.shop, self.urls = shop, urls
        self.told: dict[str, str] = {}
        self.failures: list[str] = []
        self.slowest, self.answers = 0.0, 0
        self.done = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator["Load"]:
        """While the block runs."""
        threads = [threading.Thread(target=self._write, args=(n,)) for n in range(WRITERS)]
        threads += [threading.Thread(target=self._read) for _ in range(READERS)]
        for one in threads:
            one.start()
        try:
            yield self
        finally:
            self.done.set()
            for one in threads:
                one.join(60)

    def wait_for(self, more: int) -> None:
        """Until so many more answers came."""
        wanted, ends = self.answers + more, time.monotonic() + 60
        while self.answers < wanted and time.monotonic() < ends:
            time.sleep(0.05)
        assert self.answers >= wanted, self.failures[:3]

    def _write(self, writer: int) -> None:
        name, number = f"load/writer-{writer}", 0
        headers = dict(self.shop.ci.headers)
        with httpx.Client(headers=headers, timeout=30, trust_env=False) as client:
            client.post(f"{self.urls[0]}/api/v1/prompts", json={"name": name, "kind": "text"})
            while not self.done.is_set():
                number += 1
                text = f"{writer} says {number}"
                answer = self._ask(client, "POST", f"prompts/{name}/versions", json={"text": text})
                if answer is not None and answer.status_code == 201:
                    self.told[f"{name} {answer.json()['version']}"] = text

    def _read(self) -> None:
        with httpx.Client(headers=self.shop.service, timeout=30, trust_env=False) as client:
            while not self.done.is_set():
                self._ask(client, "GET", "environments/development/prompts/support/triage")
                time.sleep(0.01)

    def _ask(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response | None:
        began = time.monotonic()
        try:
            answer = client.request(method, f"{self.urls[-1]}/api/v1/{path}", **more)
        except httpx.TransportError as error:
            self.failures.append(f"{path}: {error!r}")
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.answers += 1
        if answer.status_code not in {200, 201}:
            self.failures.append(f"{path}: {answer.status_code} {answer.text[:200]}")
        return answer


def migrate(database: Database, *, held_up: Callable[[], object]) -> str:
    """`manage.py migrate` of the next release; what it printed. `held_up` is called when it has given way once."""
    told = {**os.environ, **database.environment, "DJANGO_SETTINGS_MODULE": SETTINGS, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-u", "manage.py", "migrate", "--verbosity", "1"]
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if WAITS in line:
                held_up()
    assert process.returncode == 0, "".join(lines)[-2000:]
    return "".join(lines)


def versions(database: Database) -> dict[str, str]:
    sql = (
        "SELECT p.name || ' ' || v.number, v.content::json->>'text', v.later FROM prompts_app_promptversion v "
        "JOIN prompts_app_prompt p ON p.id = v.prompt_id"
    )
    with psycopg.connect(database.lease.engines.superuser_url) as connection:
        return {key: text for key, text, later in connection.execute(sql) if later == ""}


def test_migration__of_the_next_release_under_load__holds_up_nobody_and_loses_nothing(tmp_path: Path) -> None:
    with own_database() as database, Shop.opened(database, tmp_path) as shop:
        shop.release("support/triage", "live before")
        urls = [shop.web.url]
        with Load(shop, urls).going_on() as load:
            load.wait_for(50)
            # Somebody looks at a table for longer than a migration waits.
            holder = psycopg.connect(database.lease.engines.superuser_url)
            holder.execute("SELECT count(*) FROM prompts_app_prompt")
            began = time.monotonic()
            printed = migrate(database, held_up=holder.close)
            took = time.monotonic() - began
            load.wait_for(50)
            # The next release beside this one, on its tables.
            with run_web(tmp_path, **database.environment, DJANGO_SETTINGS_MODULE=SETTINGS) as newer:
                urls.append(newer.url)
                load.wait_for(50)
                urls.remove(newer.url)
                load.wait_for(20)
        account = Account(lost=load.failures[:5])
        there = versions(database)
        account.lost += [key for key, text in load.told.items() if there.get(key) != text]
        assert WAITS in printed, printed
        database.manage("verify_contents")
        database.manage("verify_audit")
    recovery = f"{load.answers:,} answers, {len(load.told):,} versions; migrated after {took:.1f} s, slowest answer {load.slowest:.1f} s"
    table.note("F22 migration under load, a table held longer", account, recovery=recovery)
