"""Finds the library that gives a process another clock, or installs the system's package where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from devtools.words import tell

PLACES = "lib/*/faketime/libfaketimeMT.so.1"
HELP = "apt-get install faketime"


def ensure() -> bool:
    """Whether clocks can be faked now; the tests that need it say "not run" otherwise."""
    if not _is_there() and os.geteuid() == 0 and shutil.which("apt-get"):
        tell("Installing faketime …")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "faketime"]):
            subprocess.run(
                ["apt-get", "--quiet=2", *command],
                env=quiet,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
            )
    return _is_there()


def _is_there() -> bool:
    return any(Path("/usr").glob(PLACES))
