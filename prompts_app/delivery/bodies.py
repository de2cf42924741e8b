"""The bytes that services get, and the entity tag that is their digest. Pure: equal facts give equal bytes on every node."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.core.canonical import JSON
from registry.core.times import rfc3339


@dataclass(frozen=True)
class LiveVersion:
    """What is live at one place; `content` is the stored JSON text, keys in the author's order.

    `revision` is the environment's at which this prompt last changed there.
    """

    name: str
    environment: str
    version: int
    digest: str
    revision: int
    epoch: int
    kind: str
    content: str
    deployed_at: datetime

    def to_json(self) -> dict[str, JSON]:
        """The delivery body, its keys in the order of the contract."""
        return {
            "name": self.name,
            "environment": self.environment,
            "version": self.version,
            "digest": self.digest,
            "revision": self.revision,
            "epoch": self.epoch,
            "kind": self.kind,
            **json.loads(self.content),
            "deployed_at": rfc3339(self.deployed_at),
        }


@dataclass(frozen=True)
class Entry:
    """A finished answer: its bytes, its strong entity tag, and the revision it shows."""

    body: bytes
    etag: str
    revision: int


def live_entry(live: LiveVersion) -> Entry:
    """The answer for one prompt."""
    return entry_of(live.to_json(), revision=live.revision)


def snapshot_entry(environment: str, revision: int, epoch: int, live: Sequence[LiveVersion]) -> Entry:
    """The answer with everything that is live in an environment, by name."""
    prompts: dict[str, JSON] = {one.name: one.to_json() for one in sorted(live, key=lambda one: one.name)}
    document: dict[str, JSON] = {
        "environment": environment,
        "revision": revision,
        "epoch": epoch,
        "prompts": prompts,
    }
    return entry_of(document, revision=revision)


def entry_of(value: JSON, *, revision: int) -> Entry:
    """The answer with a document: its bytes, and their digest as the tag."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Entry(body, etag_of(body), revision)


def etag_of(body: bytes) -> str:
    """The strong entity tag of an answer: the digest of its bytes."""
    return f'"{hashlib.sha256(body).hexdigest()}"'
