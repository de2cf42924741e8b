import pytest

from registry.core.outbound import OutboundError, check_url, is_permitted_address

REFUSED = [
    "ftp://example.com", "file:///etc/passwd", "gopher://example.com", "//example.com", "example.com/v1", "",
    "javascript:alert(1)", "http:///v1", "https://user:pw@example.com", "https://user@example.com",
    "http://127.0.0.1/v1", "http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://0177.0.0.1/",
    "http://0x7f.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://localhost/",
    "http://localhost./", "http://LOCALHOST/", "http://foo.localhost/", "http://printer.local/",
    "http://%6c%6f%63%61%6c%68%6f%73%74/", "http://169.254.169.254/latest/meta-data", "http://[fd00::1]/",
    "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://100.64.0.1/", "http://224.0.0.1/", "http://0.0.0.0/",
    "http://[::]/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://255.255.255.255/",
    "http://metadata.google.internal/", "http://\uff45xample.com/", "http://①②⑦.⓪.⓪.①/", "http://example.com:22/",
    "http://example.com:99999/", "http://example.com:x/", "http://exa mple.com/", "http://example.com\r\nx: y/",
    "http://example.com\\@127.0.0.1/", "http://example.com/v1?key=1", "http://example.com/#a", "http://-a.com/",
    "http://[fec0::1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://a..b/", "https://" + "a" * 600 + ".com",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_url__unsafe_or_private__is_refused_with_a_reason(url: str):
    with pytest.raises(OutboundError, match=r"\w+"):
        check_url(url, allow=frozenset())


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://api.openai.com/v1", "api.openai.com", 443),
        ("http://API.example.com:8080/v1", "api.example.com", 8080),
        ("https://8.8.8.8/", "8.8.8.8", 443),
        ("https://[2606:4700::1111]/v1", "2606:4700::1111", 443),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
    ],
)
def test_url__public__is_taken_apart(url: str, host: str, port: int):
    destination = check_url(url, allow=frozenset())
    assert (destination.host, destination.port) == (host, port)


def test_url__private_but_allowed_by_the_operator__passes_with_that_port_only():
    allow = frozenset({"127.0.0.1:8833", "[::1]:9000", "ollama:11434"})
    for url in ("http://127.0.0.1:8833/v1", "http://[::1]:9000/v1", "http://ollama:11434"):
        assert check_url(url, allow=allow).host
    for url in ("http://127.0.0.1:8834/v1", "http://127.0.0.1/v1", "http://ollama:11435"):
        with pytest.raises(OutboundError):
            check_url(url, allow=allow)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_address__public__is_permitted(address: str):
    assert is_permitted_address(address)
