"""Preconditions: entity tags made, sent, and compared with what a caller holds."""

import hashlib
import json

from registry.core.canonical import JSON
from registry.core.errors import PreconditionFailed, PreconditionRequired

ENCODINGS = ("-gzip", "-br", "-zstd")


def quoted(stamp: str) -> str:
    """A strong ETag."""
    return f'"{stamp}"'


def etag_of(data: JSON) -> str:
    """The strong ETag of an answer that has no stamp of its own: a digest of it."""
    return quoted(hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest())


def holds(header: str, etag: str) -> bool:
    """Whether a list of tags names `etag`; compared weakly, so `W/` and the tags that a compressing proxy makes count."""
    return any(_core(tag) in {"*", _core(etag)} for tag in header.split(","))


def require_match(header: str | None, etag: str) -> None:
    """What If-Match is for: raises 428 without the header, 412 when it names another state. Both carry the present tag."""
    if header is None:
        raise PreconditionRequired("precondition.required", "Send the ETag of what you saw in If-Match.", etag=etag)
    if not holds(header, etag):
        raise PreconditionFailed("precondition.failed", "It changed since you read it: read it again.", etag=etag)


def _core(tag: str) -> str:
    core = tag.strip().removeprefix("W/").strip('"')
    for encoding in ENCODINGS:
        core = core.removesuffix(encoding)
    return core
