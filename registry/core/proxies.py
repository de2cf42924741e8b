"""Who asks, and how they came, where proxies stand in front: believed only of those that the operator names."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from registry.core.asgi_types import Application, Receive, Scope, Send

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network
type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

SCHEMES = (b"http", b"https")


class BehindProxies:
    """An ASGI application around another, for which a proxy's word on its caller counts: address and scheme.

    The caller is the last address in X-Forwarded-For that is no proxy: whatever stands before it came from the caller.
    Who is no proxy is taken for who they are, whatever headers they send.
    """

    def __init__(self, application: Application, proxies: Iterable[str]) -> None:
        self._application = application
        self._networks: tuple[Network, ...] = tuple(map(ipaddress.ip_network, proxies))
        self._is_proxy = lru_cache(maxsize=1024)(self._is_proxy_at)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as its caller sent it; anything else as it is."""
        peer = scope.get("client") if scope["type"] == "http" else None
        if peer is not None and self._is_proxy(peer[0]):
            self._believe(scope)
        await self._application(scope, receive, send)

    def _believe(self, scope: Scope) -> None:
        ways: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                ways += value.decode("latin-1").split(",")
            elif name == b"x-forwarded-proto":
                scheme = value.rpartition(b",")[2].strip().lower()
                if scheme in SCHEMES:
                    scope["scheme"] = scheme.decode()
        for way in reversed(ways):
            address = _address(way.strip())
            if address is None:
                return
            scope["client"] = (str(address), 0)
            if not self._is_proxy(str(address)):
                return

    def _is_proxy_at(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    """An address as proxies write it, perhaps with brackets and a port; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
