"""`make run`: engines, migrations, the demo, then web, worker, beat and the local model until Ctrl-C."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devtools import answerer, application
from devtools.answerer import HOST, Answerer
from devtools.folders import Folders
from devtools.manage import note_migrated
from devtools.supervisor import Part, Supervisor, clean_up
from devtools.words import Stop
from registry.embedded.places import digest_of

READY_S = 180.0  # a busy machine is slow, not broken


def run(folders: Folders) -> int:
    """Runs everything on one data folder; 0 after Ctrl-C or SIGTERM. Raises Stop with one line when it cannot."""
    said = application.said_now()
    port = _port(said)
    record = folders.data / "run" / "parts.json"
    with _alone(folders, record):
        left = clean_up(record)
        _check_free(port)
        said["PORT"] = str(port)
        before = application.remembered(folders)
        answers = answerer.choose(said, before)
        has_moved = said[answers.variable] != before.get(answers.variable)
        application.remember(folders, said)
        return _run(folders, said, record, left, answers, has_moved=has_moved)


def parts(folders: Folders, port: int) -> tuple[Part, ...]:
    """What runs besides who answers, and how each part likes to be stopped."""
    python, bin_ = str(folders.python), folders.python.parent
    term, quit_ = signal.SIGTERM, signal.SIGQUIT
    web = (str(bin_ / "granian"), "--interface", "asgi", "--host", HOST, "--port", str(port), "--loop", "uvloop")
    # Connections, idle ones too: by default a thousand of those would keep everybody else out. And how large a head may be.
    room = ("--backpressure", "8192", "--http1-buffer-size", "131072", "--http2-max-headers-size", "131072")
    # As root Celery prints eight lines of advice that a laptop or a container has no use for.
    celery = (
        python,
        "-W",
        "ignore:You're running the worker with superuser",
        "-m",
        "celery",
        "--quiet",
        "-A",
        "registry",
    )
    worker = (*celery, "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle")
    # Warm first: a running task may end; then cold: its message goes back, and its row is leased anew.
    ends = ((term, 6.0), (quit_, 4.0))
    return (
        Part(
            "web", (*web, *room, "--workers-kill-timeout", "3", "--no-ws", "registry.asgi:application"), ((term, 6.0),)
        ),
        Part("worker", (*worker, "--concurrency", "2", "-Q", "runs", "-n", "runs@%h"), ends),
        # What is told and what is due waits for no run.
        Part("others", (*worker, "--concurrency", "1", "-Q", "default", "-n", "others@%h"), ends),
        Part("beat", (*celery, "beat", "--loglevel", "INFO", "--pidfile", ""), ((term, 4.0),)),
    )


def _run(
    folders: Folders, said: Mapping[str, str], record: Path, left: str, answers: Answerer, *, has_moved: bool
) -> int:
    supervisor = Supervisor(record, folders.root)
    supervisor.catch_signals()
    if left:
        supervisor.say(left)
    with application.engines(folders, said) as engines:
        environment = application.environment(folders, engines, said)
        supervisor.use(environment)
        try:
            supervisor.say("Preparing the database …")
            _manage_once(supervisor, folders, "migrate", "--no-input", "--verbosity", "0")
            if not supervisor.is_stopping:
                note_migrated(folders, environment["DATABASE_URL"])
            _collect_assets(supervisor, folders)
            running = (*parts(folders, int(said["PORT"])), answers.part(folders, said[answers.variable]))
            for part in () if supervisor.is_stopping else running:
                supervisor.add(part)
            has_demo = said.get("DEMO") != "0"
            if has_demo:
                _seed(supervisor, folders, environment, has_moved=has_moved)
            supervisor.wait_until(lambda: _answers(int(said["PORT"])), READY_S)
            if not supervisor.is_stopping:
                links = _said_by(folders, environment, "demo_links") if has_demo else ""
                first = "" if has_demo else _said_by(folders, environment, "setup_link")
                supervisor.write(_banner(environment["PUBLIC_URL"], folders, links, first))
            return supervisor.loop(engines.revive)
        finally:
            supervisor.stop()


def _port(said: Mapping[str, str]) -> int:
    text = said.get("PORT", str(application.DEFAULT_PORT))
    if not (text.isdecimal() and 1 <= int(text) <= 65_535):
        raise Stop(f"PORT={text} is no port: use a number from 1024 to 65535.")
    return int(text)


@contextmanager
def _alone(folders: Folders, record: Path) -> Iterator[None]:
    """One `run` per data folder. The lock goes with the process, even after kill -9."""
    record.parent.mkdir(mode=0o700, exist_ok=True)
    with (record.parent / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Stop(
                f"Greenroom already runs on {folders.data}{_where(record)}: stop it there with Ctrl-C, "
                "or use another folder and port: make run VAR=… PORT=…"
            ) from None
        yield


def _where(record: Path) -> str:
    try:
        found = json.loads(record.read_text())
        return f" ({found['url']}, process {found['supervisor']['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise Stop(f"Port {port} is only for root: choose another one, for example make run PORT=8001.") from None
        except OSError:
            other = port + 1 if port < 65_535 else application.DEFAULT_PORT
            raise Stop(
                f"Port {port} is taken by another program: choose another one, for example make run PORT={other}."
            ) from None


def _manage_once(supervisor: Supervisor, folders: Folders, *command: str) -> None:
    if not supervisor.is_stopping:
        supervisor.run_once(command[0], (str(folders.python), str(folders.manage_py), *command))


def _collect_assets(supervisor: Supervisor, folders: Folders) -> None:
    """Assets get names with a hash of their content; again only when one of them or the packages have changed."""
    done = folders.data / "run" / "assets"
    found = (path for path in sorted((folders.root / "static").rglob("*")) if path.is_file())
    seen = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in found]
    wanted = digest_of("\n".join([*seen, (folders.venv / "greenroom-stamp.json").read_text()]))
    if not (done.exists() and done.read_text() == wanted):
        _manage_once(supervisor, folders, "collectstatic", "--no-input", "--verbosity", "0")
        if not supervisor.is_stopping:
            done.write_text(wanted)


def _seed(supervisor: Supervisor, folders: Folders, environment: Mapping[str, str], *, has_moved: bool) -> None:
    """The demo, once per database: a demo that somebody deleted does not come back. One that is there follows its model."""
    done = folders.data / "run" / f"demo-{_database_mark(folders, environment)}"
    if not done.exists() and not supervisor.is_stopping:
        supervisor.say("Making the demo …")
        _manage_once(supervisor, folders, "seed_demo")
        if not supervisor.is_stopping:
            done.touch()
    elif has_moved:
        _manage_once(supervisor, folders, "seed_demo", "--follow")


def _database_mark(folders: Folders, environment: Mapping[str, str]) -> str:
    """Another server, or an embedded one made anew, is another database."""
    made = folders.data / "postgres" / "PG_VERSION"
    is_embedded = "@%2F" in environment["DATABASE_URL"] and made.exists()
    return digest_of(f"{environment['DATABASE_URL']}#{made.stat().st_mtime_ns if is_embedded else ''}")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _said_by(folders: Folders, environment: Mapping[str, str], command: str) -> str:
    """What a command of `manage.py` prints, indented; one line that says so where it fails."""
    answer = subprocess.run(
        [folders.python, folders.manage_py, command],
        env=dict(environment),
        cwd=folders.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        sys.stderr.write(answer.stderr)
        return f"  (no links: {command} failed, see above)\n"
    return "".join(f"  {line}\n" for line in answer.stdout.splitlines() if line.strip())


def _banner(url: str, folders: Folders, links: str, first: str) -> str:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")
    people = f"\n  Sign in as (each link works once):\n{links}" if links else ""
    people += (
        f"\n  Nobody is here yet. Make the first account and workspace (the link works once):\n{first}" if first else ""
    )
    return f"\n  {bold}Greenroom is ready: {url}{plain}\n  Data in {folders.data}. Ctrl-C stops it.\n{people}\n"
