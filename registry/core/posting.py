"""Posting to somebody's server: guarded addresses at every hop, one deadline for all of it, a small part of the answer."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from registry.core.fetching import connect
from registry.core.outbound import Destination, OutboundError, check_url

DEADLINE_S = 15.0
MOST_REDIRECTS = 3
MOST_ANSWER_BYTES = 64_000
KEPT_CHARACTERS = 1000
# What says "send the same again over there"; the older codes turn a POST into a GET.
REDIRECTS = frozenset({307, 308})


@dataclass(frozen=True)
class Posted:
    """What came of it: `status` 0 and a reason where there was no answer. `answer` is the cleaned beginning of its body."""

    status: int
    duration_ms: int
    answer: str = ""
    error: str = ""
    retry_after_s: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Any answer of the 2xx kind."""
        return 200 <= self.status < 300


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    own: Mapping[str, str],
    allow: AbstractSet[str],
    deadline_s: float = DEADLINE_S,
) -> Posted:
    """POST `body`. `own` are headers for the server at `url` alone: a redirect to another origin goes without them.

    Raises nothing: what is refused or fails is told in the result, which holds neither headers nor the URL's path.
    """
    started = time.monotonic()
    first = url
    for _ in range(MOST_REDIRECTS + 1):
        left = deadline_s - (time.monotonic() - started)
        mine = {**headers, **own} if origin(url) == origin(first) else headers
        answer, target = _exchange(url, body, mine, allow, left)
        if not target:
            return _timed(answer, started)
        if urlsplit(url).scheme == "https" and not target.startswith("https:"):
            return _timed(Posted(answer.status, 0, error="redirects from https to plain http"), started)
        url = target
    return _timed(Posted(answer.status, 0, error=f"redirects more than {MOST_REDIRECTS} times"), started)


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL that was checked."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port


def clean(text: bytes) -> str:
    """The beginning of an answer, as it may be kept and shown: UTF-8 or marks for what is none, no control characters."""
    shown = text[: KEPT_CHARACTERS * 4].decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in shown)[:KEPT_CHARACTERS]


def _timed(posted: Posted, started: float) -> Posted:
    duration_ms = round((time.monotonic() - started) * 1000)
    return Posted(posted.status, duration_ms, posted.answer, posted.error, posted.retry_after_s)


def _exchange(
    url: str, body: bytes, headers: Mapping[str, str], allow: AbstractSet[str], left_s: float
) -> tuple[Posted, str]:
    """One hop: its answer, and where it redirects to."""
    try:
        destination = check_url(url, allow=allow, with_query=True)
    except OutboundError as refused:
        return Posted(0, 0, error=f"this address is not allowed: {refused}"), ""
    if left_s <= 0:
        return Posted(0, 0, error="took too long"), ""
    connection = http.client.HTTPConnection(destination.host, destination.port)
    expired = threading.Event()
    try:
        connection.sock = connect(destination, allow)
        with _until(connection.sock, left_s, expired):
            connection.request("POST", _target(url), body=body, headers={**headers, **_FIXED})
            response = connection.getresponse()
            kept = response.read(MOST_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as failed:
        return Posted(0, 0, error=_reason(destination, failed, expired)), ""
    finally:
        connection.close()
    if expired.is_set():
        return Posted(0, 0, error="took too long"), ""
    wait = response.headers.get("Retry-After", "")
    retry_after_s = float(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 8 else None
    posted = Posted(response.status, 0, clean(kept), retry_after_s=retry_after_s)
    location = response.headers.get("Location", "")
    return posted, urljoin(url, location) if response.status in REDIRECTS and location else ""


_FIXED = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Greenroom"}


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@contextmanager
def _until(plain: socket.socket, left_s: float, expired: threading.Event) -> Iterator[None]:
    """Ends the connection when its time is over, however slowly it drips: a time-out of the socket counts each piece anew."""

    def end() -> None:
        expired.set()
        with suppress(OSError):
            socket.socket.shutdown(plain, socket.SHUT_RDWR)

    timer = threading.Timer(left_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _reason(destination: Destination, failed: Exception, expired: threading.Event) -> str:
    if expired.is_set() or isinstance(failed, TimeoutError):
        return "took too long"
    if isinstance(failed, OutboundError):
        return f"this address is not allowed: {failed}"
    return f"{destination.host} does not answer ({type(failed).__name__})"
