"""Being told of changes: by a stream of events, by long poll where no stream comes through, by asking every so often where the
server has no feed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from greenroom.entries import FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S

FEED_WAIT_S = 25
# How long a server without a feed is taken to stay without one, and a network that keeps streams back to go on doing so.
LOOK_AGAIN_S = 600.0
NOTHING_KNOWN_YET_S = 0.2
NOTHING_NEW_FOR_S = 1.0
# A stream that ends earlier without having told of a change was cut; after so many of them in a row long polls take over.
STEADY_S = 30.0
MOST_CUT = 3


@dataclass(frozen=True, slots=True)
class Changed:
    """These names changed up to this revision; none did, and `epoch` is None, where the wait ended without news."""

    names: Collection[str]
    revision: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """The server does not know any more what changed since; once everything is fetched, its revision of now is where to go on
    from, if it says so."""

    revision: int | None = None
    epoch: int | None = None


# `missing`: the server has no feed.
type News = Changed | Pruned | Literal["missing", "failed"]
# `opened`: the stream's first word; `resync`: too much happened to be told.
type Heard = Changed | Literal["opened", "resync"]
# `ended`: there was a stream; `refused`: none comes through to here; `failed`: nothing did.
type End = Literal["ended", "refused", "failed"]


class Told(Protocol):
    """Who is told."""

    def seen_revision(self) -> int | None:
        """The highest revision seen, 0 for none; None while nothing was asked for."""

    def ask_for_news(self, since: int, wait_s: int) -> News:
        """What changed, waiting for it so long."""

    def listen(self, since: int, hear: Callable[[Heard], bool]) -> End:
        """What changes, as it does, until the stream ends or `hear` says no."""

    def refresh(self, names: Collection[str]) -> None:
        """Fetch these, as far as anybody asked for them."""

    def refresh_all(self, *, fresh_too: bool = False) -> None:
        """Fetch whatever is not fresh, or everything."""


class Follower:
    """Keeps somebody up to date until `stop`. Each time the feed is joined anew everything is fetched once."""

    def __init__(self, told: Told, stop: threading.Event, poll_s: float) -> None:
        self._told = told
        self._stop = stop
        self._poll_s = poll_s
        self._since: int | None = None
        self._is_joined = self._was_pruned = False
        self._failures = self._cut = 0
        self._no_feed_until = self._no_stream_until = 0.0

    def run(self) -> None:
        """Until `stop`."""
        while not self._stop.is_set():
            if time.monotonic() < self._no_feed_until:
                self._stop.wait(random.uniform(0.8, 1.2) * self._poll_s)  # noqa: S311 - spreads callers, no secret
                self._told.refresh_all()
                continue
            if self._since is None:
                self._since = self._told.seen_revision()
            if self._since is None:
                self._stop.wait(min(NOTHING_KNOWN_YET_S, self._poll_s))
                continue
            if time.monotonic() < self._no_stream_until:
                self._poll(self._since)
            elif self._ask(0):
                # Asked first: whether what was missed can be told at all, and of which epoch it is.
                self._listen()

    def _poll(self, since: int) -> None:
        """One long poll; a server that answers at once that nothing is new is not asked again without a pause."""
        began = time.monotonic()
        if self._ask(FEED_WAIT_S) and self._since == since:
            pause = min(NOTHING_NEW_FOR_S, self._poll_s) - (time.monotonic() - began)
            self._stop.wait(max(0.0, pause))

    def _ask(self, wait_s: int) -> bool:
        """Take the news; True where there is a feed to go on with."""
        assert self._since is not None
        match self._told.ask_for_news(self._since, wait_s):
            case Changed(names=names, revision=revision):
                if not self._is_joined:
                    self._told.refresh_all(fresh_too=True)
                self._told.refresh(names)
                self._join(revision)
                self._was_pruned = False
                return True
            case Pruned(revision=int(revision)) if not self._was_pruned:
                self._told.refresh_all(fresh_too=True)
                self._join(revision)
                self._was_pruned = True
                return True
            case Pruned():
                # What is fetched anew tells the revision to go on from; in between at the pace of polling.
                self._told.refresh_all(fresh_too=True)
                self._since, self._is_joined, self._failures, self._was_pruned = None, False, 0, False
                self._stop.wait(self._poll_s)
            case "missing":
                self._is_joined, self._no_feed_until = False, time.monotonic() + LOOK_AGAIN_S
            case _:
                self._is_joined = False
                self._back_off(self._failures)
                self._failures += 1
                self._told.refresh_all()
        return False

    def _join(self, revision: int) -> None:
        self._since, self._is_joined, self._failures = revision, True, 0

    def _listen(self) -> None:
        """Until the stream ends; where it never lasts, long polls take over for a while."""
        assert self._since is not None
        began, since = time.monotonic(), self._since
        end = self._told.listen(since, self._hear)
        if end == "ended":
            self._is_joined = False
        came_through = end == "ended" and (time.monotonic() - began >= STEADY_S or self._since != since)
        self._cut = 0 if came_through else self._cut + 1
        if end == "refused" or self._cut >= MOST_CUT:
            self._cut, self._no_stream_until = 0, time.monotonic() + LOOK_AGAIN_S
        elif not self._stop.is_set():
            self._back_off(self._cut)

    def _hear(self, heard: Heard) -> bool:
        match heard:
            case Changed(names=names, revision=revision):
                self._told.refresh(names)
                self._since = revision
            case "resync":
                self._is_joined = False
                return self._ask(0) and not self._stop.is_set()
        return not self._stop.is_set()

    def _back_off(self, failures: int) -> None:
        longest = min(LONGEST_BACK_OFF_S, self._poll_s, FIRST_BACK_OFF_S * 2 ** min(failures, 10))
        self._stop.wait(random.uniform(0.05 * longest, longest))  # noqa: S311
