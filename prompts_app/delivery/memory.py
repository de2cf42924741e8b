"""What a delivery process holds in memory: finished answers, least recently used ones go first. Not thread-safe: one loop's."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from prompts_app.delivery.bodies import Entry, etag_of

FRESH = b"private, max-age=10, stale-while-revalidate=60, stale-if-error=86400"
# What an answer costs besides its body: headers, messages, dictionary slots. Measured over 100,000 of them.
OVERHEAD_BYTES = 2_000
# Hashing larger ones would hold up everybody else for milliseconds: their digest is not looked at again.
LARGEST_CHECKED_BYTES = 4_000_000

type Message = dict[str, object]
# Workspace id, environment, prompt (an empty one is the environment's snapshot); what `compatible` names is told apart by its group.
type Place = tuple[int, str, str]


JSON_TYPE = (b"content-type", b"application/json")
CACHED = (b"cache-control", FRESH)
ASKED_AGAIN = (b"cache-control", b"private, no-cache")
VARYING = (b"vary", b"Authorization, X-Workspace")
NOT_SNIFFED = (b"x-content-type-options", b"nosniff")
EMPTY: Message = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True, slots=True)
class Held:
    """A place's answer, its messages ready to be sent: in full, and 304 for who knows it. `entry` None: nothing is live."""

    entry: Entry | None
    full: tuple[Message, Message] | None = None
    known: tuple[Message, Message] | None = None
    tag: bytes = b""
    place: Place | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the bytes are still those that the entity tag is the digest of."""
        return self.entry is None or self.entry.etag == etag_of(self.entry.body)

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return OVERHEAD_BYTES + (len(self.entry.body) if self.entry else 0)


def held(entry: Entry | None, place: Place | None = None) -> Held:
    """An entry with its messages, and the place that it is the answer for."""
    if entry is None:
        return Held(None, place=place)
    return _held(entry, place, [CACHED, VARYING, NOT_SNIFFED, (b"x-registry-revision", b"%d" % entry.revision)])


def held_unversioned(entry: Entry | None, place: Place) -> Held:
    """The same for an answer that shows no revision, and that no cache may give again unasked."""
    return Held(None, place=place) if entry is None else _held(entry, place, [ASKED_AGAIN, VARYING, NOT_SNIFFED])


def _held(entry: Entry, place: Place | None, about: list[tuple[bytes, bytes]]) -> Held:
    tag = entry.etag.encode()
    headers = [(b"etag", tag), *about]
    length = (b"content-length", b"%d" % len(entry.body))
    return Held(
        entry,
        full=(_start(200, [JSON_TYPE, length, *headers]), {"type": "http.response.body", "body": entry.body}),
        known=(_start(304, headers), EMPTY),
        tag=tag,
        place=place,
    )


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


@dataclass
class Counts:
    """Since the process started."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    drops: int = 0
    damaged: int = 0


@dataclass
class Shelf:
    """Answers by place, at most `most_bytes` of them."""

    most_bytes: int
    counts: Counts = field(default_factory=Counts)
    bytes: int = 0
    _held: "OrderedDict[Place, Held]" = field(default_factory=OrderedDict)
    _of_environment: dict[tuple[int, str], set[str]] = field(default_factory=dict)
    _unchecked: list[Place] = field(default_factory=list)

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
        self._held.move_to_end(place)
        return found

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

    def put(self, place: Place, answer: Held) -> None:
        """Hold an answer, and let the least recently used ones go where there are too many bytes."""
        self.drop(place)
        self._held[place] = answer
        self._of_environment.setdefault(place[:2], set()).add(place[2])
        self.bytes += answer.size
        while self.bytes > self.most_bytes and len(self._held) > 1:
            self._remove(next(iter(self._held)))
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

    def drop_workspace(self, workspace_id: int) -> None:
        """Hold nothing of a workspace."""
        for environment in [one for one in self._of_environment if one[0] == workspace_id]:
            self.drop_environment(environment)

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
