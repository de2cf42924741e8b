"""Finds a Chromium that runs, or installs the system's package where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from devtools.words import setting, tell

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HELP = "apt-get install chromium"


def find(environment: Mapping[str, str]) -> str:
    """The path of a Chromium that was seen to run, installed first where that is possible; "" when there is none."""
    found = _on_path(environment)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        tell("Installing Chromium …")
        quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(
                ["apt-get", "--quiet=2", *command],
                env=quiet,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
            )
        found = _on_path(environment)
    return found


def _on_path(environment: Mapping[str, str]) -> str:
    named = setting("CHROMIUM")
    for name in [named] if named else NAMES:
        path = shutil.which(name, path=environment.get("PATH"))
        if path and _runs(path, environment):
            return path
    return ""


def _runs(path: str, environment: Mapping[str, str]) -> bool:
    try:
        answer = subprocess.run(
            [path, "--version"], env=dict(environment), capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0 and "Chrom" in answer.stdout
