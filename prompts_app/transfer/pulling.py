"""Everything a Langfuse server has, read by its public API: the list page by page, then each version."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from urllib.parse import quote

from registry.core.canonical import JSON
from registry.core.fetching import FetchError, get_json

PAGE = 100
MOST_PAGES, MOST_VERSIONS, MOST_CHARACTERS = 1_000, 20_000, 100_000_000
TRIES = 5
LONGEST_WAIT_S = 30.0
BUSY = 429


@dataclass(frozen=True)
class Source:
    """A Langfuse server and the pair of keys that opens it; they are shown nowhere."""

    url: str
    public_key: str = field(repr=False)
    secret_key: str = field(repr=False)


def pull_langfuse(source: Source, *, allow: AbstractSet[str], tell: Callable[[str], None]) -> str:
    """Every version of every prompt, as the JSON text of a list of Langfuse's prompt objects.

    Raises FetchError or OutboundError. `tell` hears how far it is, after every answer.
    """
    pair = base64.b64encode(f"{source.public_key}:{source.secret_key}".encode()).decode()
    reader = _Reader(source.url, {"Authorization": f"Basic {pair}"}, allow)
    wanted: list[tuple[str, int]] = []
    for page in range(1, MOST_PAGES + 1):
        answer = reader.get(f"api/public/v2/prompts?page={page}&limit={PAGE}")
        entries = answer.get("data")
        if not isinstance(entries, list):
            raise FetchError("the list of prompts is not as Langfuse sends it: is the address right?")
        for entry in entries:
            versions = entry.get("versions") if isinstance(entry, dict) else None
            name = entry.get("name") if isinstance(entry, dict) else None
            if isinstance(name, str) and isinstance(versions, list):
                wanted += [(name, one) for one in versions if isinstance(one, int)]
        if len(wanted) > MOST_VERSIONS:
            raise FetchError(f"there are more than {MOST_VERSIONS:,} versions, as many as are read at once")
        tell(f"{len(wanted):,} versions found")
        meta = answer.get("meta")
        pages = meta.get("totalPages") if isinstance(meta, dict) else None
        if not entries or not isinstance(pages, int) or page >= pages:
            break
    return reader.versions(list(dict.fromkeys(wanted)), tell)


@dataclass
class _Reader:
    url: str
    headers: dict[str, str]
    allow: AbstractSet[str]

    def versions(self, wanted: list[tuple[str, int]], tell: Callable[[str], None]) -> str:
        found: list[str] = []
        size = 0
        for index, (name, number) in enumerate(wanted, start=1):
            address = f"api/public/v2/prompts/{quote(name, safe='')}?version={number}&resolve=false"
            found.append(json.dumps(self.get(address), ensure_ascii=False))
            size += len(found[-1])
            if size > MOST_CHARACTERS:
                raise FetchError(f"the prompts have more than {MOST_CHARACTERS:,} characters")
            tell(f"{index:,} of {len(wanted):,} versions read")
        return f"[{','.join(found)}]"

    def get(self, path: str) -> dict[str, JSON]:
        """One object, asked for again while the server is busy or fails."""
        for tried in range(TRIES):
            try:
                answer = get_json(self.url, path, headers=self.headers, allow=self.allow)
            except FetchError as error:
                if error.status in (401, 403):
                    raise FetchError("the server does not accept these keys") from None
                if tried == TRIES - 1 or (error.status != BUSY and 0 < error.status < 500):
                    raise
                wait = error.retry_after_s if error.retry_after_s is not None else 0.2 * 2**tried
                time.sleep(min(wait, LONGEST_WAIT_S))
                continue
            if isinstance(answer, dict):
                return answer
            break
        raise FetchError("an answer is not as Langfuse sends it: is the address right?")
