"""PostgreSQL and Valkey from their wheels, for a machine on which nothing is installed.

    engines = start(data_dir)      # starts what does not run yet, or attaches to it at once
    stop(data_dir)                 # one explicit stop; nothing stops when a user of theirs ends
    with hold(data_dir) as lease:  # the same for programs that come and go: the last one out stops the engines

Choices, and what else was there:

- **Unix sockets only**, in one 0700 folder: no port to collide on, no password to keep, nobody else gets in. The folder
  is `<data_dir>/sockets`, or a short one under the temporary directory when that path is too long for a socket
  (107 bytes) or has characters that URLs must escape.
- Kombu reads `redis+socket://<path>`, the redis client `unix://<path>`: hence `broker_url` and `cache_url`.
- Two roles: `greenroom_owner` owns the database and migrates, `greenroom_app` serves. `postgres` is for tests only.
- PostgreSQL refuses uid 0. How it runs for root is told in `account.py`.

Only the standard library is imported here, and nothing of the wheels: they are found by their place on disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

from registry.embedded import postgres, valkey
from registry.embedded.account import choose
from registry.embedded.places import EngineError, Places

__all__ = ["ALL", "EngineError", "Engines", "Lease", "hold", "is_running", "start", "stop", "stop_unused"]

DATABASE = "greenroom"
ENGINES: Mapping[str, ModuleType] = {"postgres": postgres, "valkey": valkey}
ALL = tuple(ENGINES)


@dataclass(frozen=True)
class Engines:
    """Addresses of running engines; paths are percent-encoded, as dj-database-url, libpq, Kombu and redis read them."""

    database_url: str
    owner_url: str
    superuser_url: str
    broker_url: str
    cache_url: str


@dataclass(frozen=True)
class Lease:
    """A share in running engines, given back by `hold`."""

    engines: Engines
    data_dir: Path
    names: tuple[str, ...]
    durable: bool

    def revive(self) -> tuple[str, ...]:
        """Starts again what has died; names it. About a millisecond when all is well."""
        places = Places(self.data_dir)
        dead = tuple(name for name in self.names if not ENGINES[name].is_alive(places))
        if dead:
            start(self.data_dir, names=dead, durable=self.durable)
        return dead


def start(data_dir: Path | str, *, names: tuple[str, ...] = ALL, durable: bool = True) -> Engines:
    """Running engines with their data under `data_dir`; 0.5 s the first time, nothing to wait for when they run.

    `durable=False` is for tests: nothing is forced to disk. Raises EngineError, its text one line to show.
    """
    places = Places(Path(data_dir).expanduser().absolute())
    places.make()
    with _guard(places):
        return _start(places, names, durable=durable)


def stop(data_dir: Path | str) -> None:
    """Stops both engines cleanly, whoever started them; nothing happens where none runs."""
    places = Places(Path(data_dir).expanduser().absolute())
    if places.run.is_dir():
        with _guard(places):
            _stop(places)


def is_running(data_dir: Path | str) -> bool:
    """True when both engines answer. 10 ms."""
    places = Places(Path(data_dir).expanduser().absolute())
    return places.run.is_dir() and all(engine.is_ready(places) for engine in ENGINES.values())


def stop_unused(data_dir: Path | str) -> bool:
    """Stops engines that nobody holds any more, as a killed holder leaves them; False where there is no need to."""
    places = Places(Path(data_dir).expanduser().absolute())
    if not places.users_lock.exists():
        return False
    with places.users_lock.open("w") as share, _guard(places):
        try:
            fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _stop(places)
    return True


@contextlib.contextmanager
def hold(data_dir: Path | str, *, names: tuple[str, ...] = ALL, durable: bool = True) -> Iterator[Lease]:
    """Engines that run at least as long as the block; whoever leaves last stops them (a killed holder counts as gone)."""
    places = Places(Path(data_dir).expanduser().absolute())
    places.make()
    with places.users_lock.open("w") as share:
        with _guard(places):
            fcntl.flock(share, fcntl.LOCK_SH)
            engines = _start(places, names, durable=durable)
        try:
            yield Lease(engines, places.data_dir, names, durable)
        finally:
            with _guard(places), contextlib.suppress(BlockingIOError):
                fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop(places)


def _start(places: Places, names: tuple[str, ...], *, durable: bool) -> Engines:
    missing = [name for name in names if not ENGINES[name].is_ready(places)]
    if missing:
        account = choose(places)
        places.make_sockets(account.uid)
        if "postgres" in missing:
            postgres.ensure_running(places, account, database=DATABASE, durable=durable)
        if "valkey" in missing:
            valkey.ensure_running(places, durable=durable)
    return _engines(places)


def _stop(places: Places) -> None:
    valkey.stop(places)
    postgres.stop(places)


def _engines(places: Places) -> Engines:
    sockets = places.sockets()
    host = quote(os.fsencode(sockets), safe="")
    path = quote(os.fsencode(sockets / valkey.SOCKET))
    return Engines(
        database_url=f"postgresql://{postgres.APP_ROLE}@{host}:{postgres.PORT}/{DATABASE}",
        owner_url=f"postgresql://{postgres.OWNER_ROLE}@{host}:{postgres.PORT}/{DATABASE}",
        superuser_url=f"postgresql://postgres@{host}:{postgres.PORT}/{DATABASE}",
        broker_url=f"redis+socket://{path}",
        cache_url=f"unix://{path}?db=1",
    )


@contextlib.contextmanager
def _guard(places: Places) -> Iterator[None]:
    """One start or stop at a time per data folder, across processes."""
    with places.guard_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
