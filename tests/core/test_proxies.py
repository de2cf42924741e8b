"""Forwarded headers count where a trusted proxy sends them, and nowhere else."""

import asyncio
from typing import Any

import pytest
from environs import Env

from registry.core.proxies import BehindProxies
from registry.env import PRIVATE_NETWORKS, _proxies

FAR, NEAR = "203.0.113.7", "10.0.0.2"


def seen(
    peer: str | None, *headers: tuple[bytes, bytes], proxies: tuple[str, ...] = PRIVATE_NETWORKS
) -> tuple[str, str]:
    """Address and scheme as the application behind is told."""
    scope: dict[str, Any] = {"type": "http", "scheme": "http", "headers": list(headers)}
    scope["client"] = (peer, 4711) if peer else None
    told: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        told.append(((scope["client"] or ("",))[0], scope["scheme"]))

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nobody listens")

    asyncio.run(BehindProxies(inner, proxies)(scope, nothing, nothing))
    return told[0]


def test_stranger__who_sends_forwarded_headers__is_who_they_are() -> None:
    headers = ((b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-proto", b"https"))
    assert seen(FAR, *headers) == (FAR, "http")
    assert seen(None, *headers) == ("", "http")
    assert seen(NEAR, *headers, proxies=("192.0.2.1",)) == (NEAR, "http")


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ((b"203.0.113.7",), FAR),
        ((b"127.0.0.1, 203.0.113.7",), FAR),  # the caller wrote the first
        ((b"198.51.100.1, 203.0.113.7, 10.1.1.1",), FAR),  # two proxies
        ((b"198.51.100.1", b"203.0.113.7"), FAR),
        ((b"203.0.113.7:443",), FAR),
        ((b"[2001:db8::1]:443",), "2001:db8::1"),
        ((b"::ffff:203.0.113.7",), FAR),
        ((b"10.2.2.2",), "10.2.2.2"),  # within the network
        ((b"203.0.113.7, rubbish",), NEAR),
        ((b"",), NEAR),
        ((), NEAR),
    ],
)
def test_proxy__names_its_caller__by_the_last_address_that_is_no_proxy(given: tuple[bytes, ...], address: str) -> None:
    assert seen(NEAR, *((b"x-forwarded-for", one) for one in given)) == (address, "http")


@pytest.mark.parametrize(
    ("given", "scheme"),
    [(b"https", "https"), (b"http", "http"), (b"http, HTTPS", "https"), (b"ws", "http"), (b"", "http")],
)
def test_proxy__says_how_they_came__in_words_that_are_known(given: bytes, scheme: str) -> None:
    assert seen("::ffff:10.0.0.2", (b"x-forwarded-proto", given)) == ("::ffff:10.0.0.2", scheme)


def test_setting__names_networks__or_has_those_nearby_where_a_proxy_ends_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _proxies(Env()) == ()
    monkeypatch.setenv("TLS_TERMINATED_BY_PROXY", "1")
    assert _proxies(Env()) == PRIVATE_NETWORKS
    monkeypatch.setenv("TRUSTED_PROXIES", "192.0.2.1, 2001:db8::/32")
    assert _proxies(Env()) == ("192.0.2.1", "2001:db8::/32")
    monkeypatch.setenv("TRUSTED_PROXIES", "my-proxy")
    with pytest.raises(ValueError, match="my-proxy"):
        _proxies(Env())
