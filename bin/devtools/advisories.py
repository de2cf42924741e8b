"""What is known to be wrong with what is locked: OSV is asked about every package, npm about the lock of the vendored assets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from devtools import locked
from devtools.locked import Package

# OSV has the advisories of PyPI, of GitHub and of npm. OSV_URL names another server that speaks as it does; "off" asks nobody.
OSV_URL = "https://api.osv.dev/v1/querybatch"
WITHIN_S = 30
MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class Accepted:
    """An advisory that does not concern how a package is used here, or waits for its fix; until a day, and why."""

    until: date
    reason: str


ACCEPTED: Mapping[str, Accepted] = {}


class Unreachable(Exception):
    """Nobody answered, or not as expected; the text says who and why."""


def report(root: Path, environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Lines to show, and advisories that nobody has accepted. What cannot be asked is a line and no advisory."""
    lines: list[str] = []
    wrong: list[str] = []
    packages = [*locked.python_packages(root), *locked.npm_packages(root)]
    asks: dict[str, Callable[[], list[str]]] = {
        "OSV": lambda: ask_osv(packages, environment),
        "npm audit": lambda: ask_npm(root, environment),
    }
    for who, ask in asks.items():
        try:
            found = ask()
        except Unreachable as silent:
            lines.append(f"{who} told nothing: {silent}")
            continue
        kept = [one for one in found if not is_accepted(one.split()[-1], today=datetime.now(UTC).date())]
        wrong += kept
        lines.append(f"{who}: {len(kept)} open advisories" + (f", {len(found) - len(kept)} accepted" if found else ""))
    return lines, wrong


def ask_osv(packages: Sequence[Package], environment: Mapping[str, str]) -> list[str]:
    """`name version id` of each advisory. Raises Unreachable."""
    url = environment.get("OSV_URL") or OSV_URL
    if url == "off":
        raise Unreachable("OSV_URL is off")
    found: list[str] = []
    for at in range(0, len(packages), MOST_AT_ONCE):
        some = packages[at : at + MOST_AT_ONCE]
        answers = _post(url, {"queries": [{"package": {"purl": one.purl}} for one in some]}).get("results")
        if not isinstance(answers, list) or len(answers) != len(some):
            raise Unreachable("its answer is not what was asked for")
        for one, answer in zip(some, answers, strict=True):
            found += [f"{one.name} {one.version} {advisory['id']}" for advisory in answer.get("vulns", [])]
    return found


def ask_npm(root: Path, environment: Mapping[str, str]) -> list[str]:
    """`name range id` of what npm says of the vendored assets' lock, tools that build them included. Raises Unreachable."""
    npm = shutil.which("npm", path=environment.get("PATH", os.defpath))
    if npm is None:
        raise Unreachable("npm is not installed")
    command = [npm, "audit", "--json", "--package-lock-only"]
    try:
        done = subprocess.run(
            command,
            cwd=root / "bin" / "vendor",
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=2 * WITHIN_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        told = json.loads(done.stdout)
        vulnerable = told["vulnerabilities"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        raise Unreachable("its registry does not answer, or knows no advisories") from None
    advisories = [(name, via) for name, one in vulnerable.items() for via in one["via"] if isinstance(via, dict)]
    return [
        f"{name} {via.get('range', '')} {str(via.get('url', via.get('source'))).rpartition('/')[2]}"
        for name, via in advisories
    ]


def is_accepted(advisory: str, *, today: date) -> bool:
    """Whether somebody looked at it, and their time is not over."""
    accepted = ACCEPTED.get(advisory)
    return accepted is not None and today <= accepted.until


def _post(url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    told = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), told)
    try:
        with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
            found = json.load(answer)
    except (OSError, ValueError) as error:
        raise Unreachable(f"it cannot be reached ({error})") from None
    if not isinstance(found, dict):
        raise Unreachable("its answer is not what was asked for")
    return found
