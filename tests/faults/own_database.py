"""A PostgreSQL of our own that a test may stop, freeze and start again; what it holds is made and read over the API only."""

import contextlib
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
from typing import Any, LiteralString

import httpx2 as httpx
import psycopg

from registry import embedded
from tests.faults.processes import descendants
from tests.faults.stage import wait
from tests.servers import ROOT, Web, run_web

TEXTS: LiteralString = "SELECT p.name, v.number, v.content FROM prompts_app_promptversion v JOIN prompts_app_prompt p ON p.id = v.prompt_id"
SCHEMA: LiteralString = """
    SELECT 'column', table_name, column_name, data_type, is_nullable, COALESCE(column_default, '') FROM information_schema.columns
    WHERE table_schema = 'public' UNION ALL
    SELECT 'index', tablename, indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'public' UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace UNION ALL
    SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled::text, '' FROM pg_trigger
    WHERE NOT tgisinternal UNION ALL
    SELECT 'function', proname, md5(prosrc), '', '', '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c') UNION ALL
    SELECT 'grant', table_name, grantee, privilege_type, '', '' FROM information_schema.role_table_grants
    WHERE table_schema = 'public'
    ORDER BY 1, 2, 3, 4"""
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

    def kill_all(self) -> None:
        """kill -9 of every process of the server, as a power cut ends them."""
        pid = self.pid
        for one in (pid, *descendants(pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        wait("the database did not die", lambda: not _is_running(pid))

    def texts(self) -> dict[str, str]:
        """The text of every version, by name and number: `support/triage 2`."""
        return {f"{name} {number}": json.loads(content)["text"] for name, number, content in self.rows(TEXTS)}

    def schema(self) -> list[tuple[Any, ...]]:
        """Columns, indexes, constraints, triggers and functions, in an order that does not depend on when they were made."""
        return self.rows(SCHEMA)

    def rows(self, sql: LiteralString) -> list[tuple[Any, ...]]:
        """What a superuser reads."""
        with psycopg.connect(self.lease.engines.superuser_url) as connection:
            return connection.execute(sql).fetchall()

    def manage(self, *arguments: str, **extra: str) -> str:
        """A management command; what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        told = {**os.environ, **self.environment, **extra}
        done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True, timeout=300)
        return done.stdout


@contextmanager
def own_database(*, is_migrated: bool = True, disk: Path | None = None, is_durable: bool = True) -> Iterator[Database]:
    """A PostgreSQL in a folder of its own (below `disk`), with the tables of this checkout or without any."""
    folder = tempfile.mkdtemp(prefix="greenroom-test-", dir=disk)
    try:
        with embedded.hold(folder, names=("postgres",), durable=is_durable) as lease:
            database = Database(lease)
            if is_migrated:
                database.manage("migrate", "--verbosity", "0")
            yield database
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Shop:
    """A workspace that asks nothing of a promotion, over the API of one web process; `person` has its owner's session."""

    web: Web
    ci: httpx.Client
    keys: dict[str, Any]
    person: httpx.Client

    @classmethod
    @contextmanager
    def opened(cls, database: Database, folder: Path, **extra: str) -> Iterator["Shop"]:
        """A fresh one; its process gets the `extra` variables too."""
        made = json.loads(
            database.manage("create_workspace", "--name", "shop", "--owner", "o@example.com", "--open", "--json")
        )
        with (
            run_web(folder, **{**database.environment, **extra}) as web,
            httpx.Client(
                base_url=f"{web.url}/api/v1/",
                headers={"Authorization": f"Bearer {made['keys']['ci']}"},
                timeout=30,
                trust_env=False,
            ) as ci,
            httpx.Client(base_url=web.url, timeout=30, trust_env=False) as person,
        ):
            signed_in = person.post("/api/v1/session", json={"token": made["owner"]["token"]})
            assert signed_in.status_code < 300, signed_in.text
            yield cls(web, ci, made["keys"], person)

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
