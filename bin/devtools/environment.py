"""The virtual environment: one for running and testing, built from hashed requirements, made anew only when those change.

One environment, not two: testing needs all that running needs and more, so what is added for a test never takes anything
from a server that runs beside it, and a later `run` leaves it as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from devtools import sources, uv
from devtools.folders import Folders, give_a_home, one_at_a_time
from devtools.words import Stop, tell

PLAIN = "requirements-embedded.txt"
MODEL = "requirements-local-model.txt"
DEV = "requirements-dev.txt"
# Seen working first: each has wheels of all that is needed.
COMMANDS = ("python3.13", "python3.12", "python3.14", "/usr/bin/python3", "python3", "python")
OLDEST = (3, 12)
DOWNLOADED = "3.13"
PROBE = (
    "import sys, ssl, ctypes, asyncio; print('%d.%d' % sys.version_info[:2], sys.implementation.name, sys.executable)"
)


@dataclass(frozen=True)
class Stamp:
    """What the environment was last built from."""

    requirements: str
    for_tests: bool
    has_model: bool


def ensure(folders: Folders, *, for_tests: bool) -> None:
    """A virtual environment that matches the requirement files. Raises Stop with what to do."""
    folders.tools.mkdir(exist_ok=True)
    with one_at_a_time(folders.tools / "environment.lock"):
        stamp = _read_stamp(folders)
        wanted = _digest(folders)
        if stamp and stamp.requirements == wanted and (stamp.for_tests or not for_tests) and _runs(folders.python):
            return
        environment = build_environment(folders)
        tool = uv.get(folders, environment)
        if not _runs(folders.python):
            _create(folders, tool, environment)
        for_tests = for_tests or (folders.venv / "bin" / "pytest").exists()
        has_model = _sync(folders, tool, environment, for_tests=for_tests)
        _stamp_file(folders).write_text(json.dumps(asdict(Stamp(wanted, for_tests, has_model))))


def build_environment(folders: Folders) -> dict[str, str]:
    """Variables for pip and uv: this machine's package index, and places that can be written."""
    environment = dict(os.environ)
    environment.update(sources.for_uv(sources.read(environment), environment))
    give_a_home(environment, folders)
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "PYTHONHOME", "PYTHONPATH"):
        environment.pop(name, None)
    return environment


def interpreters(environment: dict[str, str]) -> Iterator[Path]:
    """Pythons on this machine that are new enough and complete, each tried before it is offered."""
    seen: set[str] = set()
    for command in (*COMMANDS, sys.executable):
        found = shutil.which(command, path=environment.get("PATH"))
        answer = _ask(found) if found else None
        if answer and answer not in seen:
            seen.add(answer)
            yield Path(answer)


def _ask(python: str) -> str | None:
    """The real path of a usable interpreter; None for a shim that knows no such version, or an old or cut-down one."""
    try:
        answer = subprocess.run(
            [python, "-I", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        version, implementation, path = answer.stdout.strip().split(" ", 2)
        numbers = tuple(map(int, version.split(".")))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return path if answer.returncode == 0 and numbers >= OLDEST and implementation == "cpython" else None


def _runs(python: Path) -> bool:
    return python.exists() and _ask(str(python)) is not None


def _create(folders: Folders, tool: Path, environment: dict[str, str]) -> None:
    make: list[str | Path] = [tool, "venv", "--quiet", "--clear", "--no-project", folders.venv, "--python"]
    for python in interpreters(environment):
        if _call([*make, python, "--no-python-downloads"], environment) and _runs(folders.python):
            tell(f"Using {python}")
            return
    tell(f"No Python {OLDEST[0]}.{OLDEST[1]} or newer here: getting one …")
    own = {"UV_PYTHON_INSTALL_DIR": str(folders.tools / "python"), **environment}
    if not (_call([*make, DOWNLOADED, "--managed-python"], own) and _runs(folders.python)):
        raise Stop(
            "Greenroom needs Python 3.12 or newer, and none could be downloaded: install it (Debian 13, Ubuntu 24.04: "
            "apt-get install python3), then try again."
        )


def _sync(folders: Folders, tool: Path, environment: dict[str, str], *, for_tests: bool) -> bool:
    """True when the local model's packages are there too."""
    tell("Installing packages …")
    base = [DEV] if for_tests else []
    if _call_sync(folders, tool, environment, [*base, MODEL]):
        return True
    tell("Once more without the local model …")
    if _call_sync(folders, tool, environment, [*base, PLAIN]):
        tell(
            "The local model's packages do not install on this machine: everything else works, the demo answers by script."
        )
        return False
    raise Stop("The packages could not be installed: see the lines above.")


def _call_sync(folders: Folders, tool: Path, environment: dict[str, str], files: list[str]) -> bool:
    # Wheels only: a package built from source would ask for a compiler and minutes.
    command: list[str | Path] = [
        tool,
        "pip",
        "sync",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--python",
        folders.python,
    ]
    return _call([*command, *(folders.root / file for file in files)], environment, is_shown=True)


def _call(command: list[str | Path], environment: dict[str, str], *, is_shown: bool = False) -> bool:
    """Runs a tool; what it prints goes to standard error, or nowhere."""
    output = sys.stderr if is_shown and sys.stderr.isatty() else subprocess.PIPE
    answer = subprocess.run(
        command, env=environment, cwd="/", check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )
    if is_shown and answer.returncode and answer.stderr:
        tell(answer.stderr.decode(errors="replace").strip())
    return answer.returncode == 0


def _digest(folders: Folders) -> str:
    return hashlib.sha256(b"\0".join((folders.root / file).read_bytes() for file in (PLAIN, MODEL, DEV))).hexdigest()


def _stamp_file(folders: Folders) -> Path:
    return folders.venv / "greenroom-stamp.json"


def _read_stamp(folders: Folders) -> Stamp | None:
    try:
        return Stamp(**json.loads(_stamp_file(folders).read_text()))
    except (OSError, ValueError, TypeError):
        return None
