"""The connection itself: guarded addresses, no redirects, no proxies from the environment, a cap on every body."""

import socket
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from typing import Any

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from openai import DefaultAioHttpClient
from openai._vendor.httpx_aiohttp import AiohttpTransport

from registry.core.outbound import is_allowed, is_permitted_address

MOST_BYTES = 4_000_000
CONNECT_TIMEOUT_S = 10.0


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


class GuardedTransport(AiohttpTransport):
    """aiohttp below the SDK, with our resolver and our caps. The session is born inside the running loop."""

    def __init__(self, allow: AbstractSet[str]) -> None:
        def session() -> aiohttp.ClientSession:
            connector = aiohttp.TCPConnector(limit=0, resolver=GuardedResolver(allow), ssl=self.ssl_context)
            return aiohttp.ClientSession(connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())

        super().__init__(client=session, trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One exchange, with a stream that stops at MOST_BYTES."""
        response = await super().handle_async_request(request)
        stream = response.stream
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise BodyEncodedError
        assert isinstance(stream, httpx2.AsyncByteStream)
        response.stream = _CappedStream(stream)
        return response


def http_client(allow: AbstractSet[str]) -> httpx2.AsyncClient:
    """The one HTTP client of a process; call it inside the loop that will use it."""
    options: dict[str, Any] = {"transport": GuardedTransport(allow), "trust_env": False, "follow_redirects": False}
    return DefaultAioHttpClient(headers={"accept-encoding": "identity"}, **options)
