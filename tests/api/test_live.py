"""What only a real server over a real socket can show: raw paths and bodies, and calls that arrive at the same time."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from prompts_app.models import Deployment, PromptVersion
from registry.core.models import AuditEvent, Member
from tests.builders import Cast, Key, make_cast, prompt
from tests.servers import Web, run_web

AT_ONCE = 8


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    with run_web(tmp_path) as running:
        yield running


@pytest.fixture
def cast(web: Web) -> Cast:
    """A workspace that asks nothing of a promotion."""
    return make_cast(is_open=True)


def caller(web: Web, key: Key) -> httpx.Client:
    return httpx.Client(base_url=f"{web.url}/api/v1/", headers=key.headers, timeout=60, trust_env=False)


def at_once(do: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """The answers of calls released from a barrier."""
    barrier = Barrier(AT_ONCE)

    def one(_: int) -> httpx.Response:
        barrier.wait()
        return do()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_live__raw_paths_bodies_and_races__are_as_promised(web: Web, cast: Cast) -> None:
    made = prompt(cast.ada)
    ada = Member.objects.get(pk=cast.ada.member_id)
    key = cast.key(scopes=["read", "write", "promote"], responsible=ada)
    http = caller(web, key)
    _paths(http)
    _bodies(web, http, key)
    _double_submit(http, made.pk)
    _double_apply(http)
    _versions_without_a_gap(http, made.pk)


def _paths(http: httpx.Client) -> None:
    plain, encoded = http.get("prompts/support/triage"), http.get("prompts/support%2Ftriage")
    assert plain.status_code == 200 and plain.content == encoded.content
    for path in (
        "prompts/%ff",
        "prompts/%00",
        "prompts/a%0ab",
        "prompts//",
        "prompts/../../x",
        "environments/%F0%9F%8E%AD",
    ):
        answer = http.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert http.get("prompts?q=%ff%00").status_code == 422
    assert http.request("BREW", "prompts").status_code == 405
    assert http.head("prompts").status_code == 200


def _bodies(web: Web, http: httpx.Client, key: Key) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        yield b'{"name": "x", "kind": "text", "description": "'
        for _ in range(count):
            yield b"x" * 1_000_000
        yield b'"}'

    for count in (3, 12):
        refused = http.post("prompts", content=chunks(count), headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (413, "body.too_large")
    # Declared, and never sent: the answer does not wait for it.
    host = urlsplit(web.url)
    with socket.create_connection((host.hostname or "", host.port or 0), timeout=10) as raw:
        head = f"POST /api/v1/prompts HTTP/1.1\r\nHost: {host.netloc}\r\nAuthorization: Bearer {key.token}\r\n"
        raw.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{{".encode())
        assert b" 413 " in raw.recv(4096).partition(b"\r\n")[0]
    assert http.get("prompts").status_code == 200


def _double_submit(http: httpx.Client, prompt_id: int) -> None:
    before = AuditEvent.objects.filter(event="version.created").count()
    headers = {"Idempotency-Key": "double-click"}
    answers = at_once(lambda: http.post("prompts/support/triage/versions", json={"text": "B"}, headers=headers))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert PromptVersion.objects.filter(prompt=prompt_id).count() == 2
    assert AuditEvent.objects.filter(event="version.created").count() == before + 1


def _double_apply(http: httpx.Client) -> None:
    body = {"prompt": "support/triage", "version": 2, "environment": "production"}
    number = http.post("promotions", json=body).json()["id"]
    seen = {"If-Match": http.get(f"promotions/{number}").headers["etag"]}
    answers = at_once(lambda: http.post(f"promotions/{number}/apply", json={}, headers=seen))
    assert sorted({answer.status_code for answer in answers}) == [200, 412]
    assert [answer.status_code for answer in answers].count(200) == 1
    assert Deployment.objects.filter(environment__name="production").count() == 1


def _versions_without_a_gap(http: httpx.Client, prompt_id: int) -> None:
    texts = iter(range(1000))
    answers = at_once(lambda: http.post("prompts/support/triage/versions", json={"text": f"C{next(texts)}"}))
    assert {answer.status_code for answer in answers} == {201}
    numbers: Any = PromptVersion.objects.filter(prompt=prompt_id).order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, AT_ONCE + 3))
    assert {answer.json()["version"] for answer in answers} == set(range(3, AT_ONCE + 3))
