"""Where this server may connect to: public addresses, and what the operator allows by name. Pure: resolves nothing.

A URL is checked when it is saved and again before it is used; an address is checked when a connection is made
(`is_permitted_address`), since a name may point elsewhere tomorrow.
"""

import ipaddress
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from urllib.parse import urlsplit

PORTS = frozenset({80, 443, 8080, 8443})
MOST_CHARACTERS = 500
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
# 127.1, 0x7f000001, 2130706433, 0177.0.0.1: what C libraries read as an IPv4 address and people do not.
_NUMBER_LIKE = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?")
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]|\\")


class OutboundError(ValueError):
    """The address must not be connected to; the text says why, for whoever typed it."""


@dataclass(frozen=True)
class Destination:
    """A URL taken apart: lower-case host without brackets, port filled in."""

    scheme: str
    host: str
    port: int

    @property
    def is_literal(self) -> bool:
        """True when the host is an address, which no resolver will be asked about."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


def check_url(url: str, *, allow: AbstractSet[str], with_query: bool = False) -> Destination:
    """The URL's destination; raises OutboundError.

    `allow` is the operator's set of `host:port`, the only way to a private address or an unusual port.
    """
    destination = _parse(url, with_query)
    if is_allowed(destination.host, destination.port, allow=allow):
        return destination
    if destination.port not in PORTS:
        allowed = ", ".join(map(str, sorted(PORTS)))
        raise OutboundError(f"port {destination.port} is not among {allowed} nor in the operator's OUTBOUND_ALLOW")
    if _is_local_name(destination.host) or (destination.is_literal and not is_permitted_address(destination.host)):
        raise OutboundError("private addresses need the operator's setting OUTBOUND_ALLOW")
    return destination


def is_allowed(host: str, port: int, *, allow: AbstractSet[str]) -> bool:
    """Whether the operator allows this host and port by name; IPv6 addresses are written in brackets there."""
    return f"{host}:{port}" in allow or f"[{host}]:{port}" in allow


def is_permitted_address(address: str) -> bool:
    """Whether an IP address is a public one; IPv4 inside IPv6 is looked at as IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or _nat64(ip)
        if inner is not None:
            return is_permitted_address(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


def _parse(url: str, with_query: bool) -> Destination:
    if len(url) > MOST_CHARACTERS:
        raise OutboundError(f"a URL has at most {MOST_CHARACTERS} characters")
    if _NOT_PRINTABLE.search(url):
        raise OutboundError("write the URL in printable ASCII, an international name in its xn-- form")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutboundError(f"this is not a URL ({error})") from None
    if parts.scheme not in {"http", "https"}:
        raise OutboundError("the URL must start with https:// or http://")
    if "@" in parts.netloc:
        raise OutboundError("leave user name and password out of the URL")
    if parts.fragment or (parts.query and not with_query):
        raise OutboundError(
            "leave the fragment out of the URL" if with_query else "leave query and fragment out of the URL"
        )
    host = (parts.hostname or "").lower()
    if not _is_host(host, bracketed=parts.netloc.startswith("[")):
        raise OutboundError("the host must be a plain name or address")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    return Destination(parts.scheme, host, port)


def _is_host(host: str, *, bracketed: bool) -> bool:
    if bracketed:
        return "%" not in host
    if _NUMBER_LIKE.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host)) == host
        except ValueError:
            return False
    return _NAME.fullmatch(host) is not None


def _is_local_name(host: str) -> bool:
    name = host.rstrip(".")
    return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))
