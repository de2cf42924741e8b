"""What is known of one prompt, and what an answer changes about it. Pure: no clock, no lock, no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from greenroom.content import Content
from greenroom.errors import GreenroomError, NotLive

LONGEST_BACK_OFF_S = 30.0
FIRST_BACK_OFF_S = 0.5
LAGGING_S = 2.0
# A pin never changes; it is asked again only because a restore may have given its number to other content.
PIN_LASTS_S = 600.0

type Origin = Literal["network", "disk", "file"]


class Key(NamedTuple):
    """What is asked for: what is live of a name, or one version of it by number or digest."""

    name: str
    version: int | None = None
    digest: str | None = None

    @property
    def is_pin(self) -> bool:
        """Whether it names one version for good."""
        return self.version is not None or self.digest is not None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body; `raw` is what is kept on disk."""

    content: Content
    raw: bytes
    etag: str
    max_age_s: float
    registry_stale_s: int = 0


@dataclass(frozen=True, slots=True)
class Unchanged:
    """304: what we hold is still so."""

    max_age_s: float
    registry_stale_s: int = 0


@dataclass(frozen=True, slots=True)
class Absent:
    """404 in the server's own words: authoritative."""

    error: NotLive


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer that says anything about the prompt: time-outs, cut connections, 401, 403, 429, 5xx, nonsense.

    `is_away`: nothing at all can be had of the server at present.
    """

    error: GreenroomError
    retry_after_s: float | None = None
    is_away: bool = False


type Outcome = Fetched | Unchanged | Absent | Failed


@dataclass(frozen=True, slots=True)
class Entry:
    """What a process knows of one key. Times are seconds of its monotonic clock.

    `content` None: nothing is known (`error` says why), or that nothing is live (`is_absent`). `epoch` and `revision`
    are the highest seen, also after what they belonged to is gone. `registry_stale_s`: for how long the server itself may not
    have heard of changes when it said so. `has_looked`: copies on disk and file were looked for.
    """

    content: Content | None = None
    origin: Origin = "network"
    etag: str = ""
    confirmed_at: float = 0.0
    fresh_until: float = 0.0
    next_try: float = 0.0
    failures: int = 0
    error: GreenroomError | None = None
    is_absent: bool = False
    has_looked: bool = False
    registry_stale_s: int = 0
    epoch: int = -1
    revision: int = -1

    @property
    def served(self) -> tuple[str, int, str]:
        """What is given, for reports: name, version and digest."""
        content = self.content
        return (content.name, content.version, content.digest) if content is not None else ("", 0, "")

    def is_older(self, content: Content) -> bool:
        """Whether a body is older than what was seen; pinned ones carry no revision and never are."""
        if content.epoch is None or content.revision is None:
            return False
        return (content.epoch, content.revision) < (self.epoch, self.revision)


def judge(entry: Entry, outcome: Outcome, now: float, *, back_off: Callable[[float], float]) -> Entry:
    """What is known after an answer. `back_off` draws a pause from one that is the longest (full jitter)."""
    match outcome:
        case Fetched(content=content) if entry.is_older(content):
            # A node that lags behind: what we hold is newer, but nobody has confirmed it just now.
            return replace(entry, next_try=now + back_off(LAGGING_S))
        case Fetched(content=content, etag=etag, max_age_s=max_age_s, registry_stale_s=registry_stale_s):
            return Entry(
                registry_stale_s=registry_stale_s,
                content=content,
                etag=etag,
                confirmed_at=now,
                fresh_until=now + max_age_s,
                epoch=entry.epoch if content.epoch is None else content.epoch,
                revision=entry.revision if content.revision is None else content.revision,
            )
        case Unchanged() if entry.content is None:
            # What it was said of was dropped meanwhile.
            return entry
        case Unchanged(max_age_s=max_age_s, registry_stale_s=registry_stale_s):
            return replace(
                entry,
                registry_stale_s=registry_stale_s,
                origin="network",
                confirmed_at=now,
                fresh_until=now + max_age_s,
                next_try=0.0,
                failures=0,
                error=None,
            )
        case Absent(error=error):
            return Entry(
                error=error, is_absent=True, next_try=now + back_off(10.0), epoch=entry.epoch, revision=entry.revision
            )
        case Failed(error=error, retry_after_s=retry_after_s):
            longest = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** min(entry.failures, 10))
            pause = back_off(longest) if retry_after_s is None else retry_after_s + back_off(1.0)
            return replace(entry, failures=entry.failures + 1, next_try=now + pause, error=error)


def adopt(entry: Entry, content: Content, origin: Origin, etag: str, confirmed_at: float) -> Entry:
    """What is known once a copy from disk or file fills the gap; it is never fresh."""
    return replace(
        entry,
        content=content,
        origin=origin,
        etag=etag,
        confirmed_at=confirmed_at,
        epoch=entry.epoch if content.epoch is None else content.epoch,
        revision=entry.revision if content.revision is None else content.revision,
    )
