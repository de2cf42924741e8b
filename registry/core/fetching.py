"""Reading JSON from another server: guarded addresses, no redirects, no proxies, a cap on every body."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from urllib.parse import urlencode, urlsplit

from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.outbound import Destination, OutboundError, check_url, is_allowed, is_permitted_address

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, TOTAL_TIMEOUT_S = 10.0, 30.0, 60.0
MOST_BYTES = 10_000_000


class FetchError(Exception):
    """No usable answer; the text says why, for whoever asked, and repeats neither header nor body."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


def get_json(base: str, path: str, *, headers: Mapping[str, str], allow: AbstractSet[str]) -> JSON:
    """The JSON at `path` (with its query) below `base`; raises OutboundError or FetchError.

    Every address that the name resolves to is checked when the connection is made.
    """
    return _ask("GET", base, path, body=None, headers=headers, allow=allow)


def post_form(
    base: str, path: str, fields: Mapping[str, str], *, headers: Mapping[str, str], allow: AbstractSet[str]
) -> JSON:
    """The JSON that answers a form posted to `path` below `base`; raises OutboundError or FetchError."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return _ask("POST", base, path, body=urlencode(fields), headers=sent, allow=allow)


def _ask(
    method: str, base: str, path: str, *, body: str | None, headers: Mapping[str, str], allow: AbstractSet[str]
) -> JSON:
    destination = check_url(base, allow=allow)
    target = f"{urlsplit(base).path.rstrip('/')}/{path.lstrip('/')}"
    connection = http.client.HTTPConnection(destination.host, destination.port, timeout=READ_TIMEOUT_S)
    try:
        with _cut_off() as watch:
            connection.sock = connect(destination, allow, watch=watch)
            connection.request(method, target, body=body, headers={"Accept": "application/json", **headers})
            answer = connection.getresponse()
            content = answer.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"{destination.host} does not answer ({type(error).__name__})") from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        wait = answer.headers.get("Retry-After", "")
        seconds = float(wait) if wait.isascii() and wait.isdecimal() else None
        raise FetchError(f"{destination.host} answers {answer.status}", status=answer.status, retry_after_s=seconds)
    if len(content) > MOST_BYTES:
        raise FetchError(f"an answer of {destination.host} has more than {MOST_BYTES:,} bytes")
    try:
        return parse_json(content)
    except InvalidJson as problem:
        raise FetchError(f"an answer of {destination.host} is no JSON as we read it: {problem.message}") from None


@contextmanager
def _cut_off() -> Iterator[Callable[[socket.socket], None]]:
    """Ends the connection it is told of when all of it takes too long: a time-out for each read never stops who sends
    byte by byte."""
    is_late = threading.Event()
    links: list[socket.socket] = []

    def cut() -> None:
        is_late.set()
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TOTAL_TIMEOUT_S, cut)
    timer.daemon = True
    timer.start()
    try:
        yield links.append
    finally:
        timer.cancel()
        if is_late.is_set():
            raise TimeoutError


def connect(
    destination: Destination, allow: AbstractSet[str], *, watch: Callable[[socket.socket], None] = lambda _: None
) -> socket.socket:
    """A socket to one of the host's addresses, each of them permitted; raises OutboundError or OSError.

    `watch` gets it as soon as it is connected, before TLS begins, so that somebody may end it.
    """
    found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    if not is_allowed(destination.host, destination.port, allow=allow):
        for *_, address in found:
            if not is_permitted_address(str(address[0])):
                raise OutboundError("private addresses need the operator's setting OUTBOUND_ALLOW")
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.settimeout(CONNECT_TIMEOUT_S)
        made.connect(address)
        made.settimeout(READ_TIMEOUT_S)
        if destination.scheme == "https":
            context = ssl.create_default_context()
            secure = context.wrap_socket(made, server_hostname=destination.host, do_handshake_on_connect=False)
            made = secure
            watch(made)
            secure.do_handshake()
        else:
            watch(made)
        return made
    except BaseException:
        made.close()
        raise
