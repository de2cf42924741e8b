"""API keys as the read plane holds them: by a digest of the header they came in, dropped the moment one is revoked."""

import base64
import contextlib
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.db.models.functions import Now

from registry.core.actor import Actor
from registry.core.identity import actor_for_key
from registry.core.keys import KeyToken
from registry.core.models import ApiKey
from registry.core.permissions import Permission, allows

MOST_HELD = 50_000
MINUTE_S = 60


@dataclass(slots=True)
class Grant:
    """What a key opens. `expires_at` is in seconds since the epoch.

    Of its requests `left` more are answered until `good_until`, the end of the minute they are counted in or of the key.
    """

    actor: Actor
    public_id: str
    workspace_id: int
    environment: str  # a service key's own; empty where every environment is readable
    expires_at: float
    reads: bool
    minute: int = 0
    left: int = 0
    good_until: float = 0.0

    def counts(self, now: float, most: int) -> bool:
        """Count one request, in seconds since the epoch; False where it is one too many for this minute."""
        minute = int(now) // MINUTE_S
        if self.minute != minute:
            self.minute, self.left = minute, most
            self.good_until = min(self.expires_at, (minute + 1) * MINUTE_S)
        self.left -= 1
        return self.left >= 0


@dataclass
class Check:
    """A key being read; void when it changes meanwhile."""

    is_void: bool = False


@dataclass
class Grants:
    """Keys that were checked, by header digest; None for one that opens nothing. Not thread-safe: one loop's."""

    _held: "OrderedDict[bytes, tuple[str, Grant | None]]" = field(default_factory=OrderedDict)
    _of_key: dict[str, set[bytes]] = field(default_factory=dict)
    _checks: dict[str, list[Check]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._of_key)

    def get(self, authorization: bytes) -> Grant | None:
        """The grant of a header; KeyError for one that was not checked."""
        return self._held[_name(authorization)][1]

    def put(self, authorization: bytes, public_id: str, grant: Grant | None) -> None:
        """Hold what a check found."""
        name = _name(authorization)
        self._held[name] = (public_id, grant)
        self._of_key.setdefault(public_id, set()).add(name)
        while len(self._held) > MOST_HELD:
            self._forget(next(iter(self._held)))

    def held(self, authorization: bytes, public_id: str, grant: Grant | None) -> Grant | None:
        """The grant that is held, which is this one unless another check was faster."""
        try:
            return self.get(authorization)
        except KeyError:
            self.put(authorization, public_id, grant)
            return grant

    def drop(self, public_id: str) -> None:
        """Check this key again before it opens anything."""
        for name in self._of_key.pop(public_id, ()):
            del self._held[name]
        for check in self._checks.get(public_id, ()):
            check.is_void = True

    def forget_unknown(self) -> None:
        """Check keys again that opened nothing: one may have been made meanwhile."""
        for name in [one for one, (_, grant) in self._held.items() if grant is None]:
            self._forget(name)

    @contextlib.contextmanager
    def checking(self, public_id: str) -> Iterator[Check]:
        """For the time in which a key is read: says afterwards whether it changed meanwhile."""
        check = Check()
        self._checks.setdefault(public_id, []).append(check)
        try:
            yield check
        finally:
            self._checks[public_id].remove(check)
            if not self._checks[public_id]:
                del self._checks[public_id]

    def public_ids(self) -> Iterable[str]:
        """The keys that are held."""
        return tuple(self._of_key)

    def used_since(self, moment: float) -> set[int]:
        """Ids of keys that were counted in the minute of that moment, or later."""
        minute = int(moment) // MINUTE_S
        return {grant.actor.id for _, grant in self._held.values() if grant is not None and grant.minute >= minute}

    def _forget(self, name: bytes) -> None:
        public_id, _ = self._held.pop(name)
        names = self._of_key[public_id]
        names.discard(name)
        if not names:
            del self._of_key[public_id]


def _name(authorization: bytes) -> bytes:
    """What a header is held under: the header itself is not kept."""
    return hashlib.blake2s(authorization).digest()


def headers_of(token: KeyToken) -> tuple[bytes, bytes]:
    """The two headers that clients send a key in: as Bearer, and as a Basic pair."""
    pair = base64.b64encode(":".join(token.basic).encode())
    return f"Bearer {token.token}".encode(), b"Basic " + pair


def token_of(authorization: bytes) -> KeyToken | None:
    """The key in a header, Bearer or Basic; None for anything else, a mistyped key included."""
    scheme, _, credentials = authorization.decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return KeyToken.parse(credentials.strip())
    return KeyToken.parse_basic(credentials.strip()) if scheme.lower() == "basic" else None


def read_grant(token: KeyToken) -> Grant | None:
    """What a key opens, from the database; None where it is unknown, expired or revoked. One query."""
    row = ApiKey.objects.usable().filter(public_id=token.public_id).first()
    if row is None or not hmac.compare_digest(row.secret_hash, token.hash):
        return None
    actor = actor_for_key(row)
    expires_at = row.expires_at.timestamp() if row.expires_at else float("inf")
    reads = allows(actor, Permission.READ_LIVE)
    return Grant(actor, row.public_id, row.workspace_id, row.environment, expires_at, reads)


def ended_among(public_ids: Iterable[str]) -> frozenset[str]:
    """Those of the keys that no longer open anything. One query."""
    asked = frozenset(public_ids)
    usable = ApiKey.objects.usable().filter(public_id__in=asked).values_list("public_id", flat=True)
    return asked - frozenset(usable)


def note_used(ids: Iterable[int]) -> None:
    """Note that keys were used just now. One query."""
    ApiKey.objects.filter(pk__in=list(ids)).update(last_used_at=Now())
