"""Servers and load for the benchmarks of serving: granian as `make run` starts it, and wrk with 64 connections."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 64
LIMITLESS = {"DELIVERY_REQUESTS_PER_MINUTE": "1000000000", "API_REQUESTS_PER_MINUTE": "1000000000"}
# With two processors or more each side has its own: the scheduler's moves between them are larger than what is measured here.
SERVER_S, LOAD_S = 0, 1
# Of servers that were started here: by their addresses.
pids: dict[str, int] = {}
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def server(
    application: str, *options: str, interface: str = "asgi", environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """One worker of granian; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    loop = ("--loop", "uvloop") if interface == "asgi" else ()
    command = [
        str(Path(sys.executable).with_name("granian")), "--interface", interface, "--host", "127.0.0.1",
        "--port", str(port), *loop, "--workers-kill-timeout", "3", "--backpressure", "8192", "--no-ws",
        *options, application,
    ]  # fmt: skip
    path = f"{ROOT}{os.pathsep}{ROOT / 'bench'}"
    told = {**os.environ, "PUBLIC_URL": url, "PYTHONPATH": path, **LIMITLESS, **(environment or {})}
    process = subprocess.Popen(
        on(SERVER_S, command),
        cwd=ROOT,
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    pids[url] = process.pid
    try:
        _until_it_answers(url, process)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(15)


def on(processor: int, command: list[str]) -> list[str]:
    """The command, kept on one processor where there are several and the system can do that."""
    can = (os.cpu_count() or 1) > 1 and shutil.which("taskset") is not None
    return ["taskset", "-c", str(processor), *command] if can else command


def can_load() -> bool:
    """Whether the load generator is on the machine."""
    return shutil.which("wrk") is not None


def rate(url: str, seconds: float, headers: Mapping[str, str], *, paths: Sequence[str] = ()) -> float:
    """Answers a second with 64 connections; each request is another of `paths`, by chance, where they are given.

    The load generator makes all requests before it begins: with as many paths its own work is the same whatever they name.
    """
    given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        script = []
        if paths:
            lua = Path(folder, "paths.lua")
            listed = Path(folder, "paths")
            listed.write_text("".join(f"{path}\n" for path in paths))
            lua.write_text(
                f"local r={{}}\nfunction init() for p in io.lines({str(listed)!r}) do r[#r+1]=wrk.format(nil,p) end end\n"
                "function request() return r[math.random(#r)] end\n"
            )
            script = ["-s", str(lua)]
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "10s", *given, *script, url]
        told = subprocess.run(
            on(LOAD_S, command), capture_output=True, text=True, check=True, timeout=seconds + 60
        ).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"Not every request was answered:\n{told}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", told)
    assert found
    return float(found[1])


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            _opener.open(urllib.request.Request(f"{url}/livez", headers={"Authorization": "-"}), timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit("A server did not start.") from None
            time.sleep(0.1)
        else:
            return
