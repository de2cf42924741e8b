"""Finds uv, or gets it: a working one on the path, else by pip, else its wheel unpacked by hand.

Without pip the machine says where packages are (PIP_INDEX_URL, pip.conf); where it does not, Debian's own pip is unpacked
beside uv, which knows, and installed nowhere if that does.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from devtools import sources
from devtools.folders import Folders
from devtools.words import Stop, tell

OLDEST = (0, 5, 0)
PINNED = "requirements-tools.txt"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def get(folders: Folders, environment: Mapping[str, str]) -> Path:
    """A uv that has been seen to run. Raises Stop with what to install when there is none to be had."""
    own = folders.tools / "bin" / "uv"
    by_pip = folders.tools / "pip" / "bin" / "uv"
    on_path = shutil.which("uv", path=environment.get("PATH"))
    for candidate in ([Path(on_path)] if on_path else []) + [own, by_pip]:
        if works(candidate, environment):
            return candidate
    tell("Getting uv …")
    if _by_pip(folders, by_pip, environment):
        return by_pip
    told = sources.read(environment)
    if not told.index and not told.no_index:
        unpacked = debian_pip(folders, environment)
        if unpacked is not None and _by_pip(folders, by_pip, {**environment, "PYTHONPATH": str(unpacked)}):
            return by_pip
        if unpacked is not None and _install_pip(environment) and _by_pip(folders, by_pip, environment):
            return by_pip
    try:
        _unpack(folders, own, environment)
    except OSError as error:
        raise Stop(
            f"Cannot get uv, which installs the packages ({error}): install uv or python3-pip, then try again."
        ) from error
    if works(own, environment):
        return own
    raise Stop("uv does not run on this machine: install uv, then try again.")


def works(candidate: Path, environment: Mapping[str, str]) -> bool:
    """True when the program runs and is new enough: a version manager's shim may be there and still know no uv."""
    try:
        answer = subprocess.run(
            [candidate, "--version"], capture_output=True, text=True, timeout=30, check=False, env=dict(environment)
        )
    except (OSError, subprocess.SubprocessError):
        return False
    found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", answer.stdout)
    return answer.returncode == 0 and found is not None and tuple(map(int, found.groups())) >= OLDEST


def pinned(folders: Folders) -> tuple[str, frozenset[str]]:
    """The version of uv that is fetched, and the checksums of its files."""
    text = (folders.root / PINNED).read_text()
    version = re.search(r"^uv==(\S+)", text, re.MULTILINE)
    if version is None:
        raise Stop(f"{PINNED} names no version of uv.")
    return version.group(1), frozenset(re.findall(r"sha256:([0-9a-f]{64})", text))


def _by_pip(folders: Folders, target: Path, environment: Mapping[str, str]) -> bool:
    return _install_by_pip(folders, target.parent.parent, environment) and works(target, environment)


def debian_pip(folders: Folders, environment: Mapping[str, str]) -> Path | None:
    """The folder that Debian's pip can be imported from, fetched by apt, which lets root and others alike; None without."""
    place = folders.tools / "apt"
    own: list[str | Path] = [
        "apt-get",
        "-qq",
        "-o",
        f"Dir::State::Lists={place / 'lists'}",
        "-o",
        f"Dir::Cache={place}",
    ]
    if shutil.which("apt-get", path=environment.get("PATH")) is None:
        return None
    (place / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    if not (
        _runs([*own, "update"], environment) and _runs([*own, "download", "python3-pip"], environment, folder=place)
    ):
        return None
    fetched = [*place.glob("python3-pip_*.deb")]
    done = [_runs(["dpkg-deb", "--extract", package, place], environment) for package in fetched]
    return place / "usr" / "lib" / "python3" / "dist-packages" if done and all(done) else None


def _install_pip(environment: Mapping[str, str]) -> bool:
    """Debian 11's pip is in pieces, and runs where it is installed only: for root."""
    quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    install: list[str | Path] = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "python3-pip"]
    return os.geteuid() == 0 and _runs(["apt-get", "-qq", "update"], quiet) and _runs(install, quiet)


def _install_by_pip(folders: Folders, target: Path, environment: Mapping[str, str]) -> bool:
    """True when some Python's pip did it. pip honours this machine's index by itself."""
    options: list[str | Path] = [
        "--target",
        target,
        "--upgrade",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--quiet",
    ]
    pythons = [sys.executable, shutil.which("python3", path=environment.get("PATH")), "/usr/bin/python3"]
    for python in dict.fromkeys(filter(None, pythons)):
        if _runs([python, "-m", "pip", "--version"], environment):
            command: list[str | Path] = [python, "-m", "pip", "install", *options, "-r", folders.root / PINNED]
            return _runs(command, {**environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"})
    return False


def _runs(command: list[str | Path], environment: Mapping[str, str], *, folder: Path | None = None) -> bool:
    try:
        answer = subprocess.run(
            command,
            env=dict(environment),
            cwd=folder,
            check=False,
            timeout=600,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0


def _unpack(folders: Folders, target: Path, environment: Mapping[str, str]) -> None:
    version, checksums = pinned(folders)
    wheel = sources.fetch_wheel("uv", version, platforms(), checksums, sources.read(environment))
    sources.unpack_member(wheel, ".data/scripts/uv", target)


def platforms() -> tuple[str, ...]:
    """Patterns of this machine's wheel tags, best first. uv's builds for musl are static and run everywhere."""
    machine = MACHINES.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin":
        return (f"macosx_*_{'arm64' if machine == 'aarch64' else machine}",)
    kinds = ("manylinux", "musllinux") if platform.libc_ver()[0] == "glibc" else ("musllinux", "manylinux")
    return tuple(f"{kind}_*_{machine}" for kind in kinds)
