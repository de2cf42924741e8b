"""Where the engines keep what: everything below one data folder, except sockets whose path would be too long."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

# A socket's path ends at 107 bytes (103 on macOS); PostgreSQL's is the longest one here.
LONGEST_SOCKET = "/.s.PGSQL.5432"
SOCKET_PATH_BYTES = 100
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
LOG_BYTES = 10_000_000


class EngineError(Exception):
    """An engine cannot run; the text is one line that says why and what to do."""


@dataclass(frozen=True)
class Places:
    """The layout of a data folder. Nothing is created before `make`."""

    data_dir: Path

    @property
    def run(self) -> Path:
        return self.data_dir / "run"

    @property
    def guard_lock(self) -> Path:
        return self.run / "engines.lock"

    @property
    def users_lock(self) -> Path:
        return self.run / "engines.users"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data, or a link to it where it must lie elsewhere (`account.py`)."""
        return self.data_dir / "postgres"

    @property
    def valkey(self) -> Path:
        return self.data_dir / "valkey"

    def log(self, name: str) -> Path:
        """The engine's log file; one that has grown large is put aside first."""
        path = self.data_dir / "log" / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def make(self) -> None:
        """Creates the folders that are missing. Raises EngineError when it may not."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            for folder in (self.run, self.data_dir / "log", self.valkey):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EngineError(f"Cannot write to the data folder {self.data_dir}: {error.strerror}.") from error

    def sockets(self) -> Path:
        """The folder of the sockets; the same answer every time once `make_sockets` has chosen it."""
        inside = self.data_dir / "sockets"
        return self._noted() or (inside if _fits(inside) else self._outside())

    def make_sockets(self, uid: int) -> None:
        """Creates the sockets' folder, closed to others and owned by `uid`; refuses one that somebody else prepared."""
        if uid != os.geteuid() and not is_reachable(self.data_dir):
            self._note(self._outside())
        folder = self.sockets()
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()) or found.st_mode & 0o077:
                raise EngineError(f"{folder} is not a closed folder of ours: remove it, or set TMPDIR.") from None
        if folder.stat().st_uid != uid:
            os.chown(folder, uid, -1)
        self._note(folder)

    def _note(self, folder: Path) -> None:
        """Keeps the choice: TMPDIR may be another one when a second program attaches."""
        (self.run / "sockets.json").write_text(json.dumps({"data_dir": str(self.data_dir), "sockets": str(folder)}))

    def _noted(self) -> Path | None:
        try:
            note = json.loads((self.run / "sockets.json").read_text())
            return Path(note["sockets"]) if note["data_dir"] == str(self.data_dir) else None  # else moved or copied
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _outside(self) -> Path:
        name = f"greenroom-{os.geteuid()}-{digest_of(self.data_dir)}"
        for top in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 (make_sockets looks at what is there)
            if _fits(folder := Path(top) / name):
                return folder
        raise EngineError("No folder has a path short enough for a socket: set TMPDIR to a short one.")


def package_folder(name: str) -> Path:
    """The folder of an installed package, found without importing it. Raises EngineError when it is missing."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The package {name} is not installed: set DATABASE_URL and BROKER_URL to use other servers.")
    return Path(next(iter(spec.submodule_search_locations)))


def is_reachable(folder: Path) -> bool:
    """True when any account may pass through `folder` and every folder above it."""
    try:
        return all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))
    except OSError:
        return False


def digest_of(text: Path | str) -> str:
    """Twelve hex digits that stand for a path or a text."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]


def _fits(folder: Path) -> bool:
    return len(os.fsencode(f"{folder}{LONGEST_SOCKET}")) <= SOCKET_PATH_BYTES and bool(
        PLAIN_PATH.fullmatch(str(folder))
    )
