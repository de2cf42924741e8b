"""`bin/dev.py manage`: a management command in the environment of the `run` on the same data folder, beside it or alone."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devtools import application
from devtools.folders import Folders
from devtools.words import Stop

NEEDS_NO_TABLES = ("migrate", "makemigrations", "restore", "collectstatic", "help", "check", "version")


def manage(folders: Folders, arguments: list[str]) -> int:
    """Runs the command; its exit code. Standard input, output and error are the command's own."""
    if not arguments:
        raise Stop("Which command? For example: python3 bin/dev.py manage create_workspace --help", 2)
    said = {**application.remembered(folders), **application.said_now()}
    with application.engines(folders, said) as engines:
        environment = application.environment(folders, engines, said)
        if engines.is_embedded and arguments[0] not in NEEDS_NO_TABLES:  # another server is migrated by who owns it
            _migrate_if_new(folders, environment)
        return _call(folders, environment, arguments)


def _call(folders: Folders, environment: Mapping[str, str], arguments: list[str]) -> int:
    process = subprocess.Popen([folders.python, folders.manage_py, *arguments], env=dict(environment))
    for number in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C reaches the command by the terminal; we outlive it
        signal.signal(number, lambda sent, _frame: process.send_signal(sent) if sent == signal.SIGTERM else None)
    code = process.wait()
    return 128 - code if code < 0 else code


def note_migrated(folders: Folders, database_url: str) -> None:
    """Remembers that this database has the tables of this checkout."""
    _note(folders).parent.mkdir(mode=0o700, exist_ok=True)
    _note(folders).write_text(migrations_digest(folders.root, database_url, folders.data))


def _migrate_if_new(folders: Folders, environment: Mapping[str, str]) -> None:
    """On a data folder that no `run` has prepared for this checkout, the tables are made first."""
    wanted = migrations_digest(folders.root, environment["DATABASE_URL"], folders.data)
    with contextlib.suppress(OSError):
        if _note(folders).read_text() == wanted:
            return
    command: list[str | Path] = [folders.python, folders.manage_py, "migrate", "--no-input", "--verbosity", "0"]
    answer = subprocess.run(
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise Stop(f"The tables could not be made: {(answer.stderr.strip() or 'no reason given').splitlines()[-1]}")
    note_migrated(folders, environment["DATABASE_URL"])


def _note(folders: Folders) -> Path:
    return folders.data / "run" / "migrated"


def migrations_digest(root: Path, database_url: str, data: Path) -> str:
    """Stands for the migrations of this checkout on one database; another one after each change of either."""
    digest = hashlib.sha256(database_url.encode())
    made = data / "postgres" / "PG_VERSION"
    digest.update(str(made.stat().st_mtime_ns if made.exists() else 0).encode())
    for path in sorted(root.glob("*/migrations/*.py")) + sorted(root.glob("*/*/migrations/*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
