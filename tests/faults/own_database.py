"""A PostgreSQL of our own that a test may stop, freeze and start again; what it holds is made and read over the API only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from registry import embedded
from tests.faults.processes import descendants
from tests.faults.stage import wait
from tests.servers import ROOT, Web, run_web

HOW = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


@dataclass(frozen=True)
class Database:
    """A running server with the tables of this checkout."""

    lease: embedded.Lease

    @property
    def environment(self) -> dict[str, str]:
        """How processes reach it."""
        engines = self.lease.engines
        return {"DATABASE_URL": engines.database_url, "DATABASE_OWNER_URL": engines.owner_url}

    @property
    def pid(self) -> int:
        """The server's first process."""
        return int((self.lease.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])

    def stop(self, how: str) -> None:
        """Stop it as an operator would, or at once."""
        pid = self.pid
        os.kill(pid, HOW[how])
        wait("the database did not stop", lambda: not _is_running(pid))

    def start(self) -> None:
        """Start it again."""
        self.lease.revive()

    def signal_all(self, number: int) -> None:
        """Freeze or thaw every process of the server."""
        for pid in (self.pid, *descendants(self.pid)):
            os.kill(pid, number)

    def manage(self, *arguments: str) -> str:
        """A management command; what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        told = {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True, timeout=300)
        return done.stdout


@contextmanager
def own_database(*, is_migrated: bool = True) -> Iterator[Database]:
    """A PostgreSQL in a folder of its own, with the tables of this checkout or without any."""
    folder = tempfile.mkdtemp(prefix="greenroom-test-")
    try:
        with embedded.hold(folder, names=("postgres",)) as lease:
            database = Database(lease)
            if is_migrated:
                database.manage("migrate", "--verbosity", "0")
            yield database
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Shop:
    """A workspace that asks nothing of a promotion, over the API of one web process."""

    web: Web
    ci: httpx.Client
    keys: dict[str, Any]

    @classmethod
    @contextmanager
    def opened(cls, database: Database, folder: Path) -> Iterator["Shop"]:
        """A fresh one."""
        made = json.loads(
            database.manage("create_workspace", "--name", "shop", "--owner", "o@example.com", "--open", "--json")
        )
        with (
            run_web(folder, **database.environment) as web,
            httpx.Client(
                base_url=f"{web.url}/api/v1/",
                headers={"Authorization": f"Bearer {made['keys']['ci']}"},
                timeout=30,
                trust_env=False,
            ) as ci,
        ):
            yield cls(web, ci, made["keys"])

    @property
    def service(self) -> dict[str, str]:
        """The header of a service in development."""
        return {"Authorization": f"Bearer {self.keys['service']['development']}"}

    def release(self, name: str, text: str) -> dict[str, Any]:
        """A new version, live in development; what applying told."""
        self.ci.post("prompts", json={"name": name, "kind": "text"})
        version = self._ok(self.ci.post(f"prompts/{name}/versions", json={"text": text}))["version"]
        asked = {"prompt": name, "version": version, "environment": "development"}
        promotion = self._ok(self.ci.post("promotions", json=asked))["id"]
        seen = self.ci.get(f"promotions/{promotion}").headers["ETag"]
        return self._ok(self.ci.post(f"promotions/{promotion}/apply", json={}, headers={"If-Match": seen}))

    def fetch(self, name: str, *, timeout: float = 10) -> httpx.Response:
        """What a service gets."""
        address = f"{self.web.url}/api/v1/environments/development/prompts/{name}"
        return httpx.get(address, headers=self.service, timeout=timeout, trust_env=False)

    def _ok(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code < 300, answer.text
        told: dict[str, Any] = answer.json()
        return told


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
