"""The read plane in real processes: in front of Django, and alone."""

import http.client
import os
import re
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import pytest

from prompts_app.models import ServedVersion
from tests.builders import Cast, prompt, version
from tests.delivery.planes import until
from tests.faults.processes import command_of, descendants
from tests.servers import run_delivery, run_web

pytestmark = pytest.mark.django_db(transaction=True)

REGISTRY = "http://127.0.0.1:8000"
PLACE = "/api/v1/environments/development/prompts/support/triage"


def numbers(told: httpx.Response) -> str:
    """What `/metrics` says, but for which process says it."""
    return re.sub(r'\{process="\d+"\}|process="\d+",', "", told.text)


def test_alone__answers_what_services_read_and_nothing_else(cast: Cast, tmp_path: Path):
    made = prompt(cast.ada, text="Hello {{ name }}")
    service = cast.key("service", environment="development")
    with (
        run_delivery(tmp_path) as alone,
        httpx.Client(base_url=alone.url, headers=service.headers, trust_env=False) as http,
    ):
        assert http.get(PLACE).json()["text"] == "Hello {{ name }}"
        assert list(http.get("/api/v1/environments/development/snapshot").json()["prompts"]) == [made.name]
        assert http.get("/api/v1/environments/development/changes?since=0").json()["revision"] == 1
        assert http.get("/api/v1/prompts/support/triage/versions/1").json()["version"] == 1
        assert http.post(f"{PLACE}/render", json={"variables": {"name": "Ada"}}).json()["text"] == "Hello Ada"
        assert http.get("/readyz").json()["delivery"] is True
        assert http.options("/livez").status_code == 200, "how HAProxy asks"
        for method, path in [
            ("GET", "/"),
            ("GET", "/sign-in"),
            ("GET", "/api/v1/prompts"),
            ("POST", "/api/v1/prompts"),
            ("POST", f"{PLACE}/rollback"),
            ("GET", "/api/schema"),
        ]:
            assert http.request(method, path).status_code == 404, (method, path)
        version(cast.ada, made, "Hi {{ name }}")
        until(lambda: http.get(PLACE).json()["version"] == 2)


def test_alone__serves_mcp_and_takes_reports__and_says_where_all_else_is(cast: Cast, tmp_path: Path):
    made = prompt(cast.ada, text="Hello {{ name }}")
    service = cast.key("service", environment="development")
    with (
        run_delivery(tmp_path, PUBLIC_URL=REGISTRY) as alone,
        httpx.Client(base_url=alone.url, headers=service.headers, trust_env=False) as http,
    ):
        listed = http.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "prompts/list"},
            headers={"Accept": "application/json, text/event-stream"},
        )
        assert [one["name"] for one in listed.json()["result"]["prompts"]] == [made.name]
        assert http.get("/mcp").status_code == 405, "there is no stream: hosts know what that means"
        served = http.get(PLACE).json()
        line = {
            "name": made.name, "version": 1, "digest": served["digest"], "count": 3,
            "last_served_at": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        told = {"client": {"name": "shop", "version": "1", "host": "web-1"}, "prompts": [line]}
        assert http.post("/api/v1/usage/reports", json=told).json() == {"counted": 1}
        assert ServedVersion.objects.get().count == 3
        for method, path in [("GET", "/api/v1/usage/reports"), ("POST", "/mcp/other"), ("GET", "/w/acme/")]:
            refused = http.request(method, path)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
            assert refused.json()["detail"] == f"This process only delivers: ask the registry itself, {REGISTRY}."


def test_alone__told_to_come_first__renders_templates_in_a_process_that_does_not(cast: Cast, tmp_path: Path):
    prompt(cast.ada, text="Hello {{ name }}")
    service = cast.key("service", environment="development")
    with run_delivery(tmp_path) as alone:
        answer = httpx.post(
            f"{alone.url}{PLACE}/render", json={"variables": {"name": "Ada"}}, headers=service.headers, trust_env=False
        )
        assert answer.json()["text"] == "Hello Ada"
        below = descendants(alone.process.pid)
        starters = [pid for pid in below if "prompts_app.sandbox.starter" in command_of(pid)]
        assert len(starters) == 2, "the one that starts render workers, and the worker"
        assert min(os.getpriority(os.PRIO_PROCESS, pid) for pid in starters) >= 0


def test_stream__of_a_process_that_is_told_to_end__is_closed_at_once_and_so_is_a_long_poll(cast: Cast, tmp_path: Path):
    prompt(cast.ada, text="one")
    service = cast.key("service", environment="development")
    with run_delivery(tmp_path, drain_s=25) as alone:
        port = int(alone.url.rpartition(":")[2])
        waiting = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(2)]
        waiting[0].request("GET", "/api/v1/environments/development/stream", headers=service.headers)
        stream = waiting[0].getresponse()
        assert stream.readline() == b"retry: 2000\n"
        waiting[1].request("GET", "/api/v1/environments/development/changes?since=1&wait=60", headers=service.headers)
        until(lambda: "greenroom_delivery_streams 2\n" in numbers(httpx.get(f"{alone.url}/metrics", trust_env=False)))
    assert stream.read() == b"\n: still here\n\n"
    assert waiting[1].getresponse().status == 204
    for wire in waiting:
        wire.close()


def test_stream__over_the_wire__tells_what_moves(cast: Cast, tmp_path: Path):
    made = prompt(cast.ada, text="one")
    service = cast.key("service", environment="development")
    with run_web(tmp_path) as web:
        wire = http.client.HTTPConnection("127.0.0.1", int(web.url.rpartition(":")[2]), timeout=20)
        wire.request("GET", "/api/v1/environments/development/stream", headers=service.headers)
        answer = wire.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert answer.readline() == b"retry: 2000\n"
        version(cast.ada, made, "two")
        lines = [answer.readline() for _ in range(3)]
        assert lines[1:] == [b"id: 2\n", b'data: {"revision":2,"prompts":["support/triage"]}\n']
        wire.close()


def test_metrics__are_told_to_the_machine_itself_or_with_the_token(cast: Cast, tmp_path: Path):
    prompt(cast.ada)
    service = cast.key("service", environment="development")
    with run_web(tmp_path) as web:
        for _ in range(3):
            httpx.get(f"{web.url}{PLACE}", headers=service.headers, trust_env=False)
        told = httpx.get(f"{web.url}/metrics", trust_env=False)
        assert told.headers["content-type"].startswith("text/plain")
        said = numbers(told)
        assert "greenroom_delivery_hits_total 2\n" in said and "greenroom_delivery_misses_total 1\n" in said
        assert 'environment="development"} 1\n' in said and "greenroom_delivery_listener_connected 1\n" in said
        for name, value in (("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "https"), ("Via", "1.1 edge")):
            proxied = httpx.get(f"{web.url}/metrics", headers={name: value}, trust_env=False)
            assert proxied.status_code == 404, name
    with run_web(tmp_path, METRICS_TOKEN="for-the-scraper") as web:
        assert httpx.get(f"{web.url}/metrics", trust_env=False).status_code == 404
        named = httpx.get(f"{web.url}/metrics", headers={"Authorization": "Bearer for-the-scraper"}, trust_env=False)
        assert named.status_code == 200


def test_heads__larger_than_any_client_sends__are_refused_before_anything_reads_them(
    transactional_db: None, tmp_path: Path
):
    """Requirement 23: addresses and headers have limits too, the server's own."""
    with run_web(tmp_path) as web:
        port = int(web.url.rpartition(":")[2])
        for long in (b"?q=" + b"x" * 300_000 + b" HTTP/1.1\r\n", b" HTTP/1.1\r\nX-Long: " + b"x" * 300_000 + b"\r\n"):
            assert status_of(port, long) not in {b"200", b"500"}
        many = b"".join(b"X-%d: x\r\n" % number for number in range(500))
        assert status_of(port, b" HTTP/1.1\r\n" + many) not in {b"200", b"500"}
        assert status_of(port, b"?q=" + b"x" * 8_000 + b" HTTP/1.1\r\nX-Long: " + b"x" * 8_000 + b"\r\n") == b"200"


def status_of(port: int, rest: bytes) -> bytes:
    """The status of the answer to `GET /livez` and what follows; empty where the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), 10) as wire, suppress(OSError):
        with suppress(OSError):  # it may be closed before everything is sent
            wire.sendall(b"GET /livez" + rest + b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return wire.recv(4096)[9:12]
    return b""
