"""Being told of changes: a long poll where the server has one, asking every so often where it has not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from greenroom.entries import FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S

# How long a server without a feed is taken to stay without one.
LOOK_AGAIN_S = 600.0
NOTHING_KNOWN_YET_S = 0.2


@dataclass(frozen=True, slots=True)
class Changed:
    """These names changed up to this revision; none did, and `epoch` is None, where the wait ended without news."""

    names: Collection[str]
    revision: int
    epoch: int | None


# `pruned`: the server does not know any more what changed since; `missing`: it has no feed.
type News = Changed | Literal["pruned", "missing", "failed"]


class Told(Protocol):
    """Who is told."""

    def seen_revision(self) -> int | None:
        """The highest revision seen, 0 for none; None while nothing was asked for."""

    def ask_for_news(self, since: int) -> News:
        """One long poll."""

    def refresh(self, names: Collection[str]) -> None:
        """Fetch these, as far as anybody asked for them."""

    def refresh_all(self, *, fresh_too: bool = False) -> None:
        """Fetch whatever is not fresh, or everything."""


def follow(told: Told, stop: threading.Event, poll_s: float) -> None:
    """Keep `told` up to date until `stop`. Each time the feed is joined anew everything is fetched once: what changed
    before that is not told."""
    since: int | None = None
    is_joined, failures, no_feed_until = False, 0, 0.0
    while not stop.is_set():
        if time.monotonic() < no_feed_until:
            stop.wait(random.uniform(0.8, 1.2) * poll_s)  # noqa: S311 - spreads callers, no secret
            told.refresh_all()
            continue
        since = told.seen_revision() if since is None else since
        if since is None:
            stop.wait(min(NOTHING_KNOWN_YET_S, poll_s))
            continue
        match told.ask_for_news(since):
            case Changed(names=names, revision=revision):
                if not is_joined:
                    told.refresh_all(fresh_too=True)
                told.refresh(names)
                since, is_joined, failures = revision, True, 0
            case "missing":
                is_joined, no_feed_until = False, time.monotonic() + LOOK_AGAIN_S
            case "pruned":
                # What is fetched anew tells the revision to go on from; in between at the pace of polling.
                since, is_joined, failures = None, False, 0
                told.refresh_all(fresh_too=True)
                stop.wait(poll_s)
            case _:
                longest = min(LONGEST_BACK_OFF_S, poll_s, FIRST_BACK_OFF_S * 2 ** min(failures, 10))
                is_joined, failures = False, failures + 1
                stop.wait(random.uniform(0.05 * longest, longest))  # noqa: S311
                told.refresh_all()
