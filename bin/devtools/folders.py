"""Where things lie: the checkout, the data folder (`VAR`), and the tools that were made for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devtools.words import Stop, setting, tell


@dataclass(frozen=True)
class Folders:
    """`data` moves with `VAR`; the environment stays in the checkout, or follows the data where that cannot be written."""

    root: Path
    data: Path
    built: Path

    @property
    def venv(self) -> Path:
        return self.built / "venv"

    @property
    def tools(self) -> Path:
        return self.built / "tools"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def manage_py(self) -> Path:
        return self.root / "manage.py"


def find() -> Folders:
    """The folders of this checkout, made where they are missing. Raises Stop when nothing can be written."""
    root = Path(__file__).resolve().parent.parent.parent
    own = root / "var"
    data = Path(setting("VAR", str(own))).expanduser().absolute()
    built = own if own == data or _can_write(own) else data
    for folder in {data, built}:
        _make(folder)
    return Folders(root, data, built)


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Holds an exclusive lock; says so when it must wait for another command."""
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("Waiting for another command that prepares the environment …")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def give_a_home(environment: dict[str, str], folders: Folders) -> None:
    """Programs that keep things at home get a home they can write to, where the real one cannot be written."""
    home = environment.get("HOME", "")
    if not (home and Path(home).is_dir() and _can_write(Path(home))):
        environment["HOME"] = str(folders.built / "home")
        _make(Path(environment["HOME"]))
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            environment.pop(name, None)
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime and not (Path(runtime).is_dir() and _can_write(Path(runtime))):
        environment.pop("XDG_RUNTIME_DIR")


def _can_write(folder: Path) -> bool:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return os.access(there, os.W_OK | os.X_OK)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Stop(f"Cannot write to {folder} ({error.strerror}): choose another folder, VAR=/some/folder.") from error
