"""Is what a version says still what its digest says? Asked of everything that is served, whenever it is read."""

import hashlib
import json
import os
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from prompts_app.content import content_digest, load_content
from registry.core.errors import RegistryError, Unavailable
from registry.core.metrics import Family

# Contents that were found whole, by the SHA-256 of their text: reading one again costs no more than that.
MOST_KNOWN = 20_000

log = structlog.get_logger(__name__)


@dataclass
class _Refusals:
    """How often this process was asked for a damaged content, and did not serve it."""

    count: int = 0


_refusals = _Refusals()
_known: "OrderedDict[bytes, str]" = OrderedDict()


def is_whole(kind: str, content: str, digest: str) -> bool:
    """Whether the stored text of a version's content comes to its digest."""
    try:
        return content_digest(load_content(kind, json.loads(content))) == digest
    except (RegistryError, ValueError, KeyError, TypeError, AttributeError):
        return False


def require_whole(name: str, number: int, *, kind: str, content: str, digest: str) -> None:
    """Raise Unavailable `version.damaged` for a content that is not what was approved under its digest; each process looks
    closely once at each."""
    text = hashlib.sha256(f"{kind}\0{content}".encode()).digest()
    if _known.get(text) == digest:
        return
    if not is_whole(kind, content, digest):
        _refusals.count += 1
        log.error("version.damaged", version=f"{name} v{number}", digest=digest)
        detail = f"Version {number} of {name} is not what its digest says, so it is not served: an operator must look."
        raise Unavailable("version.damaged", detail, retry_after=60)
    _known[text] = digest
    while len(_known) > MOST_KNOWN:
        _known.popitem(last=False)


def families() -> list[Family]:
    """For operators: how often a damaged content was asked for, by process."""
    told = "Times that a content was asked for which is not what its digest says."
    return [Family("greenroom_versions_damaged_total", "counter", told).add(_refusals.count, process=str(os.getpid()))]
