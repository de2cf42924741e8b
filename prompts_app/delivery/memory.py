"""What a delivery process holds in memory: answers; those not asked for lately go first. Not thread-safe: one loop's."""

import sys
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from prompts_app.delivery.bodies import Entry, etag_of

FRESH = b"private, max-age=10, stale-while-revalidate=60, stale-if-error=86400"
# What an answer costs besides its body: itself, its place and its tag, dictionary slots. Measured over 100,000 of them.
OVERHEAD_BYTES = 500
# Hashing larger ones would hold up everybody else for milliseconds: their digest is not looked at again.
LARGEST_CHECKED_BYTES = 4_000_000
# Of those that would go next, so many may stay because they were asked for: making room is no walk through everything.
MOST_SPARED = 64
# Finished messages of what is asked for again and again: as many as stay in the processor's cache, and none with a large body.
MADE_KEPT = 512
LARGEST_MADE_BYTES = 16_000
# Content lengths whose header is shared.
LENGTHS_KEPT = 10_000

type Header = tuple[bytes, bytes]
type Message = dict[str, object]
type Reply = tuple[Message, Message]
# Workspace id, environment, prompt (an empty one is the environment's snapshot); what `compatible` names is told apart by its group.
type Place = tuple[int, str, str]


JSON_TYPE = (b"content-type", b"application/json")
CACHED = (b"cache-control", FRESH)
ASKED_AGAIN = (b"cache-control", b"private, no-cache")
VARYING = (b"vary", b"Authorization, X-Workspace")
NOT_SNIFFED = (b"x-content-type-options", b"nosniff")
NO_LENGTH: Header = (b"content-length", b"0")
EMPTY: Message = {"type": "http.response.body", "body": b""}


@lru_cache(LENGTHS_KEPT)
def _length(count: int) -> Header:
    return b"content-length", b"%d" % count


@dataclass(slots=True)
class Held:
    """A place's answer; `body` None: nothing is live. `revision` empty: it shows none, and no cache may give it unasked.

    As few objects as can be, the messages made for each request: among a hundred thousand answers none is in the
    processor's cache, and each object that is fetched from memory costs as much as making several.
    """

    place: Place
    body: bytes | None = None
    tag: bytes = b""
    revision: bytes = b""
    length: Header = NO_LENGTH
    is_used: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the bytes are still those that the entity tag is the digest of."""
        return self.body is None or self.tag == etag_of(self.body).encode()

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return OVERHEAD_BYTES + len(self.body or b"")

    def full(self) -> Reply:
        """The messages of the whole answer."""
        headers = [JSON_TYPE, self.length, (b"etag", self.tag), CACHED, VARYING, NOT_SNIFFED]
        if self.revision:
            headers.append((b"x-registry-revision", self.revision))
        else:
            headers[3] = ASKED_AGAIN
        return (
            {"type": "http.response.start", "status": 200, "headers": headers},
            {"type": "http.response.body", "body": self.body},
        )

    def known(self) -> Reply:
        """304, for who has it."""
        headers = [(b"etag", self.tag), CACHED, VARYING, NOT_SNIFFED]
        if self.revision:
            headers.append((b"x-registry-revision", self.revision))
        else:
            headers[1] = ASKED_AGAIN
        return {"type": "http.response.start", "status": 304, "headers": headers}, EMPTY


def held(place: Place, entry: Entry | None, *, is_versioned: bool = True) -> Held:
    """What is held for a place; one that is not `is_versioned` shows no revision, and no cache may give it again unasked."""
    place = place[0], sys.intern(place[1]), place[2]  # one name for all of an environment
    if entry is None:
        return Held(place)
    revision = b"%d" % entry.revision if is_versioned else b""
    return Held(place, entry.body, entry.etag.encode(), revision, _length(len(entry.body)))


@dataclass
class Counts:
    """Since the process started."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    drops: int = 0
    damaged: int = 0


# A tag and the messages it is in.
type Made = tuple[bytes, Reply]


@dataclass
class Shelf:
    """Answers by place, at most `most_bytes` of them."""

    most_bytes: int
    counts: Counts = field(default_factory=Counts)
    bytes: int = 0
    _held: "OrderedDict[Place, Held]" = field(default_factory=OrderedDict)
    _of_environment: dict[tuple[int, str], set[str]] = field(default_factory=dict)
    _unchecked: list[Place] = field(default_factory=list)
    # By where a tag lies in memory: the tag, which keeps that place taken, and the messages it is in.
    _made: list[Made | None] = field(default_factory=lambda: [None] * MADE_KEPT)

    def __len__(self) -> int:
        return len(self._held)

    def get(self, place: Place) -> Held | None:
        """The answer for a place, if it is held; it counts as used. One that is of another place is dropped."""
        found = self._held.get(place)
        if found is None:
            return None
        if found.place != place:
            self._refuse(place)
            return None
        found.is_used = True
        return found

    def reply(self, answer: Held, is_known: bool) -> Reply:
        """The messages for who has it or has not; not made anew of what is asked for all the time."""
        tag = answer.tag
        slot = (id(tag) // 8 + is_known) % MADE_KEPT
        made = self._made[slot]
        if made is not None and made[0] is tag:
            return made[1]
        reply = answer.known() if is_known else answer.full()
        if is_known or len(answer.body or b"") <= LARGEST_MADE_BYTES:
            self._made[slot] = tag, reply
        return reply

    def check(self, most_bytes: int) -> None:
        """Hold so many bytes of answers to the digests they were filled with, the next time others; drop what is damaged."""
        if not self._unchecked:
            self._unchecked = list(self._held)
        while self._unchecked and most_bytes > 0:
            place = self._unchecked.pop()
            answer = self._held.get(place)
            if answer is None or answer.size > LARGEST_CHECKED_BYTES:
                continue
            most_bytes -= answer.size
            if not answer.is_whole:
                self._refuse(place)

    def put(self, answer: Held) -> None:
        """Hold an answer, and let others go where there are too many bytes: the oldest first, what was used since comes round again."""
        place = answer.place
        self.drop(place)
        self._held[place] = answer
        self._of_environment.setdefault(place[:2], set()).add(place[2])
        self.bytes += answer.size
        spared = 0
        while self.bytes > self.most_bytes and len(self._held) > 1:
            oldest = next(iter(self._held))
            if spared < MOST_SPARED and self._held[oldest].is_used:
                self._held[oldest].is_used = False
                self._held.move_to_end(oldest)
                spared += 1
            else:
                self._remove(oldest)
                self.counts.evictions += 1

    def drop(self, place: Place) -> None:
        """Hold it no longer."""
        if place in self._held:
            self._remove(place)
            self.counts.drops += 1

    def drop_environment(self, environment: tuple[int, str]) -> None:
        """Hold nothing of an environment."""
        for name in list(self._of_environment.get(environment, ())):
            self.drop((*environment, name))

    def environments(self) -> Iterable[tuple[int, str]]:
        """Those of which something is held."""
        return tuple(self._of_environment)

    def _refuse(self, place: Place) -> None:
        self._remove(place)
        self.counts.damaged += 1

    def _remove(self, place: Place) -> None:
        self.bytes -= self._held.pop(place).size
        names = self._of_environment[place[:2]]
        names.discard(place[2])
        if not names:
            del self._of_environment[place[:2]]
