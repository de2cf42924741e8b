"""The connection itself: guarded addresses, no redirects, no proxies from the environment, a cap on every body."""

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from openai import DefaultAioHttpClient
from openai._vendor.httpx_aiohttp import AiohttpTransport
from yarl import URL

from registry.core.outbound import is_allowed, is_permitted_address

MOST_BYTES = 4_000_000
CONNECT_TIMEOUT_S = 10.0
EVENT_STREAM = "text/event-stream"
_ONLY_CONNECTING = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)

type Until = Callable[[bytes], bool]


class AddressRefusedError(OSError):
    """A name resolved to an address that must not be connected to."""


class BodyTooLargeError(Exception):
    """The answer is larger than MOST_BYTES."""


class BodyEncodedError(Exception):
    """The answer is compressed although it was asked for as it is: its true size is anybody's guess."""


class GuardedResolver(AbstractResolver):
    """Resolves once and checks every address it gives out, so a name cannot point somewhere else at connect time."""

    def __init__(self, allow: AbstractSet[str]) -> None:
        self._allow = allow
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; raises AddressRefusedError when any of them is private and not allowed."""
        results = await self._resolver.resolve(host, port, family)
        if not is_allowed(host.lower(), port, allow=self._allow):
            for result in results:
                if not is_permitted_address(result["host"]):
                    raise AddressRefusedError(f"{host} resolves to a private address")
        return results

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class GuardedTransport(AiohttpTransport):
    """aiohttp below the SDK, with our resolver and our caps. The session is born inside the running loop."""

    def __init__(self, allow: AbstractSet[str]) -> None:
        def session() -> aiohttp.ClientSession:
            connector = aiohttp.TCPConnector(limit=0, resolver=GuardedResolver(allow), ssl=self.ssl_context)
            return aiohttp.ClientSession(connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())

        super().__init__(client=session, trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One exchange as the SDK asks for it, with a stream that stops at MOST_BYTES."""
        response = await super().handle_async_request(request)
        stream = response.stream
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise BodyEncodedError
        assert isinstance(stream, httpx2.AsyncByteStream)
        response.stream = _CappedStream(stream)
        return response

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes, *, until: Until | None = None) -> Reply:
        """One exchange without the SDK's own layers, which take twice the processor time of all the rest.

        `until` sees each piece of a successful event stream as it comes and ends the reading by returning True.
        """
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        async with self.client.post(
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            auto_decompress=False,
            compress=False,
            timeout=_ONLY_CONNECTING,
        ) as response:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                response.close()
                raise BodyEncodedError
            watch = until if response.status < 300 and response.content_type == EVENT_STREAM else None
            return Reply(response.status, response.headers, await _read(response, watch))


async def _read(response: aiohttp.ClientResponse, until: Until | None) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MOST_BYTES:
            response.close()
            raise BodyTooLargeError
        if until is None:
            pieces.append(piece)
        elif until(piece):
            break
    return b"".join(pieces)


class _CappedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MOST_BYTES:
                raise BodyTooLargeError
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def http_client(transport: GuardedTransport) -> httpx2.AsyncClient:
    """The one HTTP client of a process; call it inside the loop that will use it."""
    options: dict[str, Any] = {"transport": transport, "trust_env": False, "follow_redirects": False}
    return DefaultAioHttpClient(headers={"accept-encoding": "identity"}, **options)
