"""Posting to somebody's server: guarded addresses at every hop, one deadline for all of it, a small part of the answer."""

import http.client
import socket
import threading
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
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
    with _Deadline(left_s) as deadline:
        try:
            connection.sock = connect(destination, allow, watch=deadline.watch)
            connection.request("POST", target_of(url), body=body, headers={**headers, **_FIXED})
            response = connection.getresponse()
            kept = response.read(MOST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as failed:
            return Posted(0, 0, error=_reason(destination, failed, deadline.is_over)), ""
        finally:
            connection.close()
    if deadline.is_over:
        return Posted(0, 0, error="took too long"), ""
    wait = response.headers.get("Retry-After", "")
    retry_after_s = float(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 8 else None
    posted = Posted(response.status, 0, clean(kept), retry_after_s=retry_after_s)
    location = response.headers.get("Location", "") if response.status in REDIRECTS else ""
    if not location:
        return posted, ""
    try:
        target = urljoin(url, location)
        check_url(target, allow=allow, with_query=True)
    except ValueError as refused:
        return Posted(response.status, 0, error=f"redirects to an address that is not allowed: {refused}"), ""
    return posted, target


_FIXED = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Greenroom"}


def target_of(url: str) -> str:
    """What of a URL its server is asked for: path and query."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _Deadline:
    """Ends a connection when its time is over, however slowly it drips: a time-out of the socket counts each piece anew."""

    def __init__(self, left_s: float) -> None:
        self.is_over = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(left_s, self._end)
        self._timer.daemon = True

    def watch(self, connected: socket.socket) -> None:
        """The connection that is to end; at once if the time is over already."""
        self._socket = connected
        if self.is_over:
            self._shut()

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.is_over = True
        self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _reason(destination: Destination, failed: Exception, is_over: bool) -> str:
    if is_over or isinstance(failed, TimeoutError):
        return "took too long"
    if isinstance(failed, OutboundError):
        return f"this address is not allowed: {failed}"
    if isinstance(failed, socket.gaierror):
        return f"no server of the name {destination.host} is known"
    return f"{destination.host} does not answer ({type(failed).__name__})"
