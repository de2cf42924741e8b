"""promptfoo, for comparison only: found or installed by npm under the temporary folder, with a Node that is new enough."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VERSION, NODE = "0.123", "22"
# What some of its assertions need; the other optional parts are for providers.
PARTS = ("natural", "node-sql-parser")
# It asks natural for these by name, which Node does not find in a module of that kind: each `meteor` would end in an error.
NAMES = """import natural from './lib/natural/index.js'
export const { PorterStemmer, WordNet } = natural
export default natural
"""
LEAST_NODE = (22, 22)
INSTALL_S, EVALUATE_S = 600, 180


class Missing(Exception):
    """Why it cannot be run here."""


@dataclass(frozen=True)
class Promptfoo:
    """An installed promptfoo."""

    folder: Path
    node: str
    version: str

    def evaluate(
        self, messages: Sequence[str], *, base_url: str, model: str, prompt: str, expected: str, in_flight: int
    ) -> float:
        """Seconds of the whole command; raises Missing where not every case was asked and passed."""
        with tempfile.TemporaryDirectory(prefix="greenroom-promptfoo-run-") as name:
            folder = Path(name)
            config = {
                "prompts": [prompt],
                "providers": [{"id": f"openai:chat:{model}", "config": {"apiBaseUrl": base_url, "apiKey": "none"}}],
                "tests": [
                    {"vars": {"message": text}, "assert": [{"type": "equals", "value": expected}]} for text in messages
                ],
            }
            (folder / "config.json").write_text(json.dumps(config))
            options = [
                "-c",
                "config.json",
                "-j",
                str(in_flight),
                "--no-cache",
                "--no-table",
                "--no-progress-bar",
                "-o",
                "out.json",
            ]
            began = time.perf_counter()
            answer = self._call(folder, "eval", *options, limit_s=EVALUATE_S)
            wall_s = time.perf_counter() - began
            try:
                passed = json.loads((folder / "out.json").read_text())["results"]["stats"]["successes"]
            except (OSError, ValueError, LookupError):
                passed = 0
            if passed != len(messages):
                raise Missing(f"only {passed} of {len(messages)} cases passed: {answer[-400:]}")
            return wall_s

    def _call(self, folder: Path, *arguments: str, limit_s: int) -> str:
        entry = self.folder / "node_modules" / "promptfoo" / "dist" / "src" / "entrypoint.js"
        answer = subprocess.run(
            [self.node, str(entry), *arguments],
            cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=limit_s,
        )  # fmt: skip
        return answer.stdout + answer.stderr


def environment(home: Path) -> dict[str, str]:
    """Nothing is sent anywhere, nothing is looked for, everything is kept in `home`."""
    outer = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "TMPDIR"}}
    switches = (
        "DISABLE_TELEMETRY",
        "DISABLE_UPDATE",
        "DISABLE_REMOTE_GENERATION",
        "DISABLE_SHARING",
        "DISABLE_ERROR_LOG",
    )
    return {
        **outer,
        **{f"PROMPTFOO_{name}": "1" for name in switches},
        "HOME": str(home),
        "PROMPTFOO_CONFIG_DIR": str(home / "promptfoo"),
        "CI": "1",
        "NO_COLOR": "1",
    }


def find() -> Promptfoo:
    """The promptfoo of an earlier run, or a new one; raises Missing."""
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("there is no npm here")
    folder = Path(tempfile.gettempdir()) / f"greenroom-promptfoo-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise Missing(f"{folder} belongs to somebody else")
    package = folder / "node_modules" / "promptfoo" / "package.json"
    if not package.exists():
        _install(npm, folder)
    if not (folder / "node_modules" / PARTS[0] / "names.mjs").exists():
        _install_parts(npm, folder)
    node = _node(folder)
    return Promptfoo(folder, node, str(json.loads(package.read_text())["version"]))


def _install(npm: str, folder: Path) -> None:
    """promptfoo without its optional parts, the one of them it needs after all, and Node where the machine's is too old."""
    (folder / "package.json").write_text('{"private": true}')
    print(f"installing promptfoo {VERSION} in {folder} …", flush=True)
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x64"
    node = [] if _is_new_enough(shutil.which("node")) else [f"node-{sys.platform}-{machine}@{NODE}"]
    _npm(npm, folder, *node, f"promptfoo@{VERSION}")
    engines = json.loads((folder / "node_modules" / "libsql" / "package.json").read_text())["optionalDependencies"]
    name = f"@libsql/{sys.platform}-{machine}" + ("-gnu" if sys.platform == "linux" else "")
    _npm(npm, folder, f"{name}@{engines[name]}")


def _install_parts(npm: str, folder: Path) -> None:
    """What its assertions about SQL and METEOR stand on, in the versions that it names."""
    asked = json.loads((folder / "node_modules" / "promptfoo" / "package.json").read_text())["optionalDependencies"]
    engine = json.loads((folder / "node_modules" / "esbuild" / "package.json").read_text())["version"]
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x64"
    # esbuild reads modules of natural's kind for it.
    _npm(npm, folder, *(f"{name}@{asked[name]}" for name in PARTS), f"@esbuild/{sys.platform}-{machine}@{engine}")
    home = folder / "node_modules" / PARTS[0]
    about = json.loads((home / "package.json").read_text())
    about["exports"] = {".": {"import": "./names.mjs", "require": f"./{about['main'].removeprefix('./')}"}}
    (home / "package.json").write_text(json.dumps(about))
    (home / "names.mjs").write_text(NAMES)


def _npm(npm: str, folder: Path, *packages: str) -> None:
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", "--loglevel=error"]
    command = [npm, "install", *options, *packages]
    try:
        answer = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        raise Missing("npm did not end in time") from None
    if answer.returncode:
        raise Missing(f"npm could not install {packages[-1]}: {answer.stderr.strip().splitlines()[-1:]}")


def _node(folder: Path) -> str:
    for node in (shutil.which("node"), *map(str, folder.glob("node_modules/node-*/bin/node"))):
        if node is not None and _is_new_enough(node):
            return node
    raise Missing(f"it needs Node {'.'.join(map(str, LEAST_NODE))} or newer")


def _is_new_enough(node: str | None) -> bool:
    if node is None:
        return False
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    except OSError:
        return False
    return tuple(map(int, re.findall(r"\d+", said)[:2])) >= LEAST_NODE
