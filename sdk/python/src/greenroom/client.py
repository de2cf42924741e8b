"""What services use: `Client` for threads, `AsyncClient` for event loops; both answer from the same kind of memory."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from greenroom.content import Content
from greenroom.disk import Disk, folder_for
from greenroom.engine import POLL_S, Engine
from greenroom.entries import Key
from greenroom.errors import Misconfigured
from greenroom.lockfile import LockFile, read_lock_file
from greenroom.prompt import Prompt
from greenroom.settings import read_settings
from greenroom.templates.values import JSON
from greenroom.wire import TIMEOUT_S, Wire

type Default = str | Sequence[Mapping[str, JSON]]


class _Base:
    """What both clients are made of: nothing is sent before the first `get`."""

    def __init__(
        self,
        *,
        environment: str = "",
        url: str = "",
        key: str = "",
        cache_dir: Path | str | None = "",
        lock_file: Path | str | None = None,
        wait_s: float = TIMEOUT_S,
        poll_s: float = POLL_S,
        reports: bool | None = None,
    ) -> None:
        """`environment`, `url` and `key` come from GREENROOM_ENVIRONMENT, GREENROOM_URL and GREENROOM_KEY if left out.

        `cache_dir` is where copies are kept: a folder of the user's if left out, nowhere if None. `wait_s` is how long a
        first `get` waits for the network, `poll_s` how often the background asks for changes. `reports` says whether to tell
        the registry which versions are served; if left out, unless GREENROOM_REPORTS is 0. Raises Misconfigured, and Corrupt
        for a lock file that is not as it was written.
        """
        place = environment or os.environ.get("GREENROOM_ENVIRONMENT", "")
        if not place:
            raise Misconfigured("Name the environment, such as production, or set GREENROOM_ENVIRONMENT.")
        settings = read_settings(url=url, key=key)
        lock = read_lock_file(Path(lock_file)) if lock_file is not None else None
        _hold_place(lock, place)
        root = _cache_root() if cache_dir == "" else None if cache_dir is None else Path(cache_dir)
        disk = None if root is None else Disk(folder_for(root, settings, place))
        tells = os.environ.get("GREENROOM_REPORTS", "1") != "0" if reports is None else reports
        self._engine = Engine(
            Wire(settings, place), disk=disk, lock_file=lock, wait_s=wait_s, poll_s=poll_s, has_reports=tells
        )

    def counts(self) -> Counter[str]:
        """How often what happened since the start, for metrics.

        Outcomes of requests (`fetched`, `unchanged`, `absent`, `failed`, `went_back`), restores noticed (`epochs`), answers of a server that may
        not have heard of changes (`marked`), and
        answers by source where that was not fresh memory (`network`, `stale`, `disk`, `file`, `default`).
        """
        return self._engine.counts.copy()


class Client(_Base):
    """Prompts of one environment. One per process is enough; safe between threads and across forks."""

    def get(
        self, name: str, *, version: int | None = None, digest: str | None = None, default: Default | None = None
    ) -> Prompt:
        """What is live of a name, or a pinned version of it, in microseconds once it was asked for.

        Raises NotLive where the server says that there is nothing, and Unavailable where nobody can say and no `default`
        (a text, or messages) is given.
        """
        return self._engine.get(Key(name, version, digest), None if default is None else _default(name, default))

    def warm(self, *names: str) -> None:
        """Fetch these names at the start, or everything that is live; without names raises what the server says."""
        if names:
            self._engine.warm(Key(name) for name in names)
        else:
            self._engine.warm_all()

    def close(self) -> None:
        """Stop refreshing; what is known can still be got."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Base):
    """The same for event loops: what is known is given at once, what has to be waited for waits in a thread."""

    async def get(
        self, name: str, *, version: int | None = None, digest: str | None = None, default: Default | None = None
    ) -> Prompt:
        """As `Client.get`; never blocks the loop."""
        key, fallback = Key(name, version, digest), None if default is None else _default(name, default)
        found = self._engine.peek(key, fallback)
        return found if found is not None else await asyncio.to_thread(self._engine.get, key, fallback)

    async def warm(self, *names: str) -> None:
        """As `Client.warm`."""
        if names:
            await asyncio.to_thread(self._engine.warm, [Key(name) for name in names])
        else:
            await asyncio.to_thread(self._engine.warm_all)

    async def close(self) -> None:
        """As `Client.close`."""
        await asyncio.to_thread(self._engine.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _default(name: str, default: Default) -> Content:
    if isinstance(default, str):
        return Content(name, text=default)
    return Content(name, messages=[dict(message) for message in default])


def _hold_place(lock: LockFile | None, environment: str) -> None:
    if lock is not None and lock.environment != environment:
        raise Misconfigured(f"The lock file is of {lock.environment}, not of {environment}.")


def _cache_root() -> Path | None:
    """The user's folder for caches; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "greenroom"
    except RuntimeError:
        return None
