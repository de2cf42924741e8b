"""Real processes over the test database: web, workers, beat. On loopback, stopped by the pid that was started."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import httpx2 as httpx
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
STARTS_WITHIN_S = 240  # ends what hangs; what dies is noticed at once
STOPS_WITHIN_S = 60


@dataclass(frozen=True)
class Part:
    """A running process and the file its output goes to."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the process's whole group: first as asked, then for good."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
            try:
                self.process.wait(STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(STOPS_WITHIN_S)


@dataclass(frozen=True)
class Web(Part):
    """A web process that answers."""

    url: str


def environment(**extra: str) -> dict[str, str]:
    """The environment of a part: the test database, with the rights of the application's role."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    query = f"options={quote('-c role=greenroom_app')}"
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}", query=query))
    return {**os.environ, "DATABASE_URL": database, "DATABASE_POOL_SIZE": "8", **extra}


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def run_web(folder: Path, *, drain_s: int = 3, host: str = "127.0.0.1", **extra: str) -> Iterator[Web]:
    """A granian with one worker, up and answering; its assets are collected first. Told to end, it waits `drain_s` at most.

    `host` is what the loopback interface is called in its address.
    """
    port = free_port()
    url = f"http://{host}:{port}"
    variables = environment(PUBLIC_URL=url, **extra)
    _collect_assets()
    granian = [str(Path(sys.executable).with_name("granian")), "--interface", "asgi", "--host", "127.0.0.1"]
    options = ["--port", str(port), "--loop", "uvloop", "--workers-kill-timeout", str(drain_s)]
    options += ["--backpressure", "8192", "--no-ws", "--http1-buffer-size", "131072"]
    options += ["--http2-max-headers-size", "131072", "registry.asgi:application"]
    part = _start([*granian, *options], variables, folder / f"web-{port}.log")
    web = Web(part.process, part.log, url)
    try:
        _wait_until_it_answers(web)
        yield web
    finally:
        web.stop()


@contextmanager
def run_delivery(folder: Path, *, drain_s: int = 3, **extra: str) -> Iterator[Web]:
    """A process that serves only what services read, up and answering."""
    port = free_port()
    options = ["--port", str(port), "--drain", str(drain_s)]
    command = [sys.executable, "manage.py", "serve_delivery", *options]
    part = _start(command, environment(**extra), folder / f"delivery-{port}.log")
    web = Web(part.process, part.log, f"http://127.0.0.1:{port}")
    try:
        _wait_until_it_answers(web)
        yield web
    finally:
        web.stop()


@contextmanager
def run_worker(
    folder: Path, *, concurrency: int = 2, with_beat: bool = True, queue: str = "", **extra: str
) -> Iterator[Part]:
    """A Celery worker of all queues; with the beat inside, sweeping every second, unless told otherwise.

    It gives way to nobody: beside other tests that take both processors it would hardly move.
    """
    celery = [sys.executable, "-m", "celery", "-A", "registry", "worker", "--concurrency", str(concurrency)]
    beat = ["--beat", "--schedule", str(folder / f"beat-{free_port()}")] if with_beat else []
    only = ["-Q", queue] if queue else []
    name = f"test-{free_port()}@%h"
    variables = environment(**{"SWEEP_INTERVAL_S": "1", "LOG_LEVEL": "INFO", "WORKER_NICENESS": "0", **extra})
    part = _start(
        [*celery, "--loglevel", "INFO", "--without-mingle", "--without-gossip", "-n", name, *beat, *only],
        variables,
        folder / f"worker-{free_port()}.log",
    )
    try:
        _wait_for_line(part, b"ready.")
        yield part
    finally:
        part.stop()


@cache
def _collect_assets() -> None:
    """Once a run: `DATA_DIR` is the run's own."""
    collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
    subprocess.run(collect, cwd=ROOT, env=environment(), check=True, timeout=STARTS_WITHIN_S)


def _start(command: list[str], variables: dict[str, str], log: Path) -> Part:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Part(process, log)


def _wait_until_it_answers(web: Web) -> None:
    for _ in _until_time_is_up(web):
        try:
            if httpx.get(f"{web.url}/livez", timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            continue


def _wait_for_line(part: Part, text: bytes) -> None:
    for _ in _until_time_is_up(part):
        if text in part.log.read_bytes():
            return


def _until_time_is_up(part: Part) -> Iterator[None]:
    ends = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends and part.process.poll() is None:
        yield
        time.sleep(0.1)
    raise AssertionError(f"did not start: {part.log.read_text(errors='replace')[-3000:]}")
