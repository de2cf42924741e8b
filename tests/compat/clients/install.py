"""Client libraries of Langfuse as their makers publish them: installed once into the folder of the virtual environment's tools,
from this machine's own package index. Where that cannot be, a test that needs one says "not run".
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bin"))

from devtools import folders, uv  # noqa: E402
from devtools.environment import build_environment  # noqa: E402
from devtools.words import Stop  # noqa: E402

INSTALL_S = 300
PYTHON = {"v3": "langfuse==3.15.0", "v4": "langfuse==4.18.0", "v5": "langfuse==5.0.4"}
JAVASCRIPT = {
    "langfuse-js": ("@langfuse/client@5.11.1", "@langfuse/core@5.11.1", "@opentelemetry/api@1"),
    # The one before, which promptfoo uses.
    "langfuse-js-3": ("langfuse@3.39.2",),
}


def python_with(version: str) -> Path:
    """An interpreter that has that version of the client; skips the test where it cannot be had."""
    try:
        places = folders.find()
        environment = build_environment(places)
        tool = uv.get(places, environment)
    except Stop as stopped:
        pytest.skip(f"not run: {stopped}")
    made = places.tools / "clients" / f"langfuse-{version}"
    python = made / "bin" / "python"
    with _made_once(made, PYTHON[version]) as is_missing:
        if is_missing:
            _run([tool, "venv", "--quiet", "--clear", "--no-project", made, "--python", sys.executable], environment)
            install = [tool, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", python]
            _run([*install, PYTHON[version]], environment)
    return python


def node_with(client: str) -> tuple[Path, Path]:
    """Node, and a folder whose modules have that client; skips the test where they cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("not run: there is no Node with npm here")
    places = folders.find()
    made = places.tools / "clients" / client
    with _made_once(made, " ".join(JAVASCRIPT[client])) as is_missing:
        if is_missing:
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            (made / "package.json").write_text('{"private": true, "type": "module"}')
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix", made]
            _run([npm, "install", *options, *JAVASCRIPT[client]], dict(os.environ))
    return Path(node), made


@contextmanager
def _made_once(made: Path, what: str) -> Iterator[bool]:
    """True inside where it is not there yet; what fails halfway is not taken for done."""
    stamp = made.with_suffix(".stamp")
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_missing = not stamp.exists() or stamp.read_text() != what
        yield is_missing
        stamp.write_text(what)


def _run(command: list[str | Path], environment: dict[str, str]) -> None:
    try:
        answer = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"not run: {command[0]} did not end well ({error})")
    if answer.returncode:
        pytest.skip(f"not run: {' '.join((answer.stderr or answer.stdout).split())[-300:]}")
