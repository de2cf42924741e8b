"""One request, one outcome: whatever the network does becomes a plain value within a bounded time."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx2 as httpx

from greenroom import __version__
from greenroom.content import DEEPEST, Content, read_content
from greenroom.entries import PIN_LASTS_S, Absent, Failed, Fetched, Key, Outcome, Unchanged
from greenroom.errors import GreenroomError, NotLive, Refused, StrangeAnswer, Unreachable
from greenroom.feed import Changed, End, Heard, News, Pruned
from greenroom.fields import Fields
from greenroom.reports import Sent
from greenroom.settings import Settings
from greenroom.templates.values import JSON, InvalidJson, parse_json

TIMEOUT_S = 2.0
# A stream says every 15 s that it is there.
SILENCE_S = 20.0
# Longer than from one refresh to the next.
KEPT_S = 60.0
# A body that drips in resets every read's own time limit.
WHOLE_ANSWER_S = 10.0
MOST_BYTES = 32_000_000
LONGEST_RETRY_AFTER_S = 300.0
FRESH_S, LONGEST_FRESH_S = 10.0, 3600.0
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})\b")
# No such address, or a key that tells of nothing; 422: a server that understands reports otherwise.
REPORTS_REFUSED = frozenset({403, 404, 405, 422})
AWAY = frozenset({502, 503, 504})
_PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Snapshot:
    """Everything that is live, by name, and the tag of it."""

    fields: Fields
    etag: str


class Wire:
    """Requests with one key for one environment. The connections belong to the process: after a fork call `renew`."""

    def __init__(self, settings: Settings, environment: str) -> None:
        self.settings = settings
        self.environment = environment
        self.renew()

    def renew(self) -> None:
        """Forget connections without closing them: after a fork they are the parent's."""
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._listening: socket.socket | None = None

    def close(self) -> None:
        """Close the connections, and end a stream that somebody listens to; the next request opens new ones."""
        with self._lock:
            http, self._http = self._http, None
            if self._listening is not None:
                # Closing it would not wake who waits in it.
                with contextlib.suppress(OSError):
                    self._listening.shutdown(socket.SHUT_RDWR)
        if http is not None:
            http.close()

    def fetch(self, key: Key, etag: str) -> Outcome:
        """What the server says of a key; never raises."""
        try:
            status, headers, body = self._get(self._path(key), etag)
            return self._outcome(key, status, headers, body)
        except Unreachable as error:
            return Failed(error, is_away=True)
        except GreenroomError as error:
            return Failed(error)

    def snapshot(self, etag: str = "") -> Snapshot | None:
        """Everything that is live; None if that is what `etag` is of. Raises Unreachable, Refused, NotLive, StrangeAnswer."""
        status, headers, body = self._get(f"environments/{quote(self.environment, safe='')}/snapshot", etag)
        if status == httpx.codes.NOT_MODIFIED:
            return None
        if status != httpx.codes.OK:
            raise _refusal(status, headers, body)
        where = f"the snapshot of {self.environment}"
        try:
            return Snapshot(Fields.of(parse_json(body, max_depth=DEEPEST), where), headers.get("etag", ""))
        except InvalidJson as error:
            raise StrangeAnswer(f"{where} cannot be read: {error.message}") from None

    def changes(self, since: int, wait_s: int) -> News:
        """What changed after a revision, once something does, or after the wait without; never raises."""
        path = f"environments/{quote(self.environment, safe='')}/changes?since={since}&wait={wait_s}"
        try:
            status, _, body = self._get(path, "", patience_s=wait_s + 5.0 if wait_s else 0.0)
            if status == httpx.codes.OK:
                return _changes(body)
            if status == httpx.codes.GONE:
                return _pruned(body)
        except GreenroomError:
            return "failed"
        if status == httpx.codes.NO_CONTENT:
            return Changed((), since, None)
        if status in {httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED}:
            return "missing"
        return "failed"

    def listen(self, since: int, hear: Callable[[Heard], bool]) -> End:
        """What changes after a revision, as it does, until the stream ends or `hear` says no; never raises."""
        url = f"{self.settings.api}/environments/{quote(self.environment, safe='')}/stream"
        headers, timeout = {"Last-Event-ID": str(since)}, httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        is_open = False
        try:
            with self._client().sse(url, headers=headers, timeout=timeout) as source:
                if source.response.status_code >= 500 and not _is_problem(source.response.headers):
                    return "failed"
                if source.response.status_code != httpx.codes.OK:
                    return "refused"
                with self._listens(source.response):
                    for event in source:
                        is_open = True
                        if not hear(_heard(event)):
                            break
        except (httpx.ReadTimeout, httpx.SSEError):
            return "ended" if is_open else "refused"
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, StrangeAnswer):
            return "ended" if is_open else "failed"
        return "ended"

    @contextlib.contextmanager
    def _listens(self, answer: httpx.Response) -> Iterator[None]:
        """Let `close` end this answer, which may wait for long."""
        with self._lock:
            self._listening = answer.extensions["network_stream"].get_extra_info("socket")
        try:
            yield
        finally:
            with self._lock:
                self._listening = None

    def report(self, body: JSON, id: str) -> Sent:
        """Tell what was served, once however often it is sent; never raises. `refused` where this server or key takes no reports."""
        path = f"{self.settings.api}/usage/reports"
        headers = {"Idempotency-Key": id}
        try:
            status = self._client().post(path, json=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError):
            return "failed"
        if status in REPORTS_REFUSED:
            return "refused"
        return "taken" if status == httpx.codes.OK else "failed"

    def _get(self, path: str, etag: str, *, patience_s: float = 0.0) -> tuple[int, httpx.Headers, bytes]:
        headers = {"If-None-Match": etag} if etag else {}
        try:
            try:
                return self._read(path, headers, patience_s)
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                if isinstance(error, httpx.ConnectError):
                    raise
                # A kept connection that a restart has closed: a new one may do.
                return self._read(path, headers, patience_s)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise Unreachable(f"{self.settings.url} cannot be reached ({reason}).") from None

    def _read(self, path: str, headers: dict[str, str], patience_s: float) -> tuple[int, httpx.Headers, bytes]:
        ends = time.monotonic() + WHOLE_ANSWER_S + patience_s
        timeout = httpx.Timeout(TIMEOUT_S, read=TIMEOUT_S + patience_s)
        body = bytearray()
        with self._client().stream("GET", f"{self.settings.api}/{path}", headers=headers, timeout=timeout) as answer:
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise StrangeAnswer(f"The answer has more than {MOST_BYTES:,} bytes.")
                if time.monotonic() > ends:
                    raise Unreachable(f"The answer did not end within {WHOLE_ANSWER_S:g} s.")
        return answer.status_code, answer.headers, bytes(body)

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                headers = {
                    "Authorization": f"Bearer {self.settings.key}",
                    "User-Agent": f"greenroom-python/{__version__}",
                }
                limits = httpx.Limits(keepalive_expiry=KEPT_S)
                self._http = httpx.Client(headers=headers, timeout=TIMEOUT_S, limits=limits)
            return self._http

    def _path(self, key: Key) -> str:
        name = quote(key.name, safe="")
        if key.version is not None:
            return f"prompts/{name}/versions/{key.version}"
        if key.digest is not None:
            return f"prompts/{name}/digests/{quote(key.digest, safe='')}"
        return f"environments/{quote(self.environment, safe='')}/prompts/{name}"

    def _outcome(self, key: Key, status: int, headers: httpx.Headers, body: bytes) -> Outcome:
        if status == httpx.codes.OK:
            content = read_content(body, f"the answer for {key.name}")
            self._hold(key, content)
            return Fetched(content, body, headers.get("etag", ""), _max_age(key, headers), _stale(headers))
        if status == httpx.codes.NOT_MODIFIED:
            return Unchanged(_max_age(key, headers), _stale(headers))
        error = _refusal(status, headers, body)
        if isinstance(error, NotLive):
            return Absent(error)
        return Failed(error, _retry_after(headers), is_away=status in AWAY)

    def _hold(self, key: Key, content: Content) -> None:
        """Another prompt's body under this address would be served for ever: it is refused."""
        wanted = (key.name, key.version or content.version, key.digest or content.digest)
        place = content.environment if key.is_pin else self.environment
        if (content.name, content.version, content.digest) != wanted or content.environment != place:
            raise StrangeAnswer(f"The answer for {key.name} is about something else ({content.name}).")


def _is_problem(headers: httpx.Headers) -> bool:
    return _PROBLEM in headers.get("content-type", "")


def _refusal(status: int, headers: httpx.Headers, body: bytes) -> GreenroomError:
    """404 counts only in the registry's own words: a gateway's says nothing about prompts."""
    if not _is_problem(headers):
        return StrangeAnswer(f"The server answered {status} without a reason: is GREENROOM_URL right?")
    try:
        problem = Fields.of(parse_json(body), "the problem")
        code, detail = problem.text("code"), problem.text("detail")
    except (InvalidJson, StrangeAnswer):
        return StrangeAnswer(f"The server answered {status} with a problem that cannot be read.")
    return NotLive(detail) if status == httpx.codes.NOT_FOUND else Refused(status, code, detail)


def _changes(body: bytes) -> Changed:
    try:
        fields = Fields.of(parse_json(body), "the feed of changes")
    except InvalidJson as error:
        raise StrangeAnswer(f"The feed of changes cannot be read: {error.message}") from None
    names = frozenset(one.text("name") for one in fields.objects("changes"))
    return Changed(names, fields.integer("revision"), fields.integer("epoch"))


def _pruned(body: bytes) -> Pruned:
    """A registry says where it is; anything else does not."""
    try:
        fields = Fields.of(parse_json(body), "the refusal")
        return Pruned(fields.integer_or_none("revision"), fields.integer_or_none("epoch"))
    except (InvalidJson, StrangeAnswer):
        return Pruned()


def _heard(event: httpx.ServerSentEvent) -> Heard:
    if event.event == "resync":
        return "resync"
    if not event.data:
        return "opened"
    try:
        fields = Fields.of(parse_json(event.data.encode()), "the event")
    except InvalidJson as error:
        raise StrangeAnswer(f"An event cannot be read: {error.message}") from None
    return Changed(frozenset(fields.texts("prompts")), fields.integer("revision"), None)


def _max_age(key: Key, headers: httpx.Headers) -> float:
    if key.is_pin:
        return PIN_LASTS_S
    found = _MAX_AGE.search(headers.get("cache-control", ""))
    return min(float(found[1]), LONGEST_FRESH_S) if found else FRESH_S


def _stale(headers: httpx.Headers) -> int:
    said = headers.get("x-registry-stale", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0


def _retry_after(headers: httpx.Headers) -> float | None:
    said = headers.get("retry-after", "")
    return min(float(said), LONGEST_RETRY_AFTER_S) if said.isascii() and said.isdecimal() else None
