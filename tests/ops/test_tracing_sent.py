"""Traces as a collector gets them: OTLP over HTTP, received by a small server, from this process and from real ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2 as httpx
import pytest
from django.test import Client

from registry.celery import hand_on_the_trace
from registry.core import tracing
from registry.core.tasks import sweep
from tests.builders import Cast, make_cast, prompt
from tests.servers import run_delivery, run_web, run_worker

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="`make test` installs it: requirements-dev.txt")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
VERSIONS = "/api/v1/prompts/support/triage/versions"


@dataclass(frozen=True)
class Received:
    """A span as it arrived: of which service, in which trace, under which span."""

    service: str
    name: str
    trace: str
    span: str
    parent: str


@dataclass
class Collector:
    """What came in; `wait_for` waits for spans whose name begins so."""

    url: str = ""
    spans: list[Received] = field(default_factory=list)
    media_types: set[str] = field(default_factory=set)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes, media_type: str) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = []
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            said = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                found.append(Received(said["service.name"], span.name, *ids))
        with self._news:
            self.spans += found
            self.media_types.add(media_type)
            self._news.notify_all()

    def wait_for(self, beginning: str, *, service: str) -> Received:
        """The first of these spans; raises AssertionError where none comes."""

        def there() -> Received | None:
            mine = (one for one in self.spans if one.service == service and one.trace == TRACE)
            return next((one for one in mine if one.name.startswith(beginning)), None)

        with self._news:
            self._news.wait_for(there, timeout=30)
            found = there()
        assert found, sorted({(one.service, one.name) for one in self.spans})
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on loopback that takes what is sent to `/v1/traces`."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_ours = self.path == "/v1/traces"
            if is_ours:
                collector.take(body, self.headers["Content-Type"])
            self.send_response(200 if is_ours else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_traces__a_request_and_the_task_it_sends__arrive_at_a_collector_as_one_trace(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers: dict[str, str] = {}
    with collecting() as collector:
        monkeypatch.setenv(ENDPOINT, collector.url)
        tracing.set_up("test", endpoint=collector.url)
        try:
            Client(headers={**cast.key().headers, "traceparent": PARENT}).get("/api/v1/prompts")
            with tracing.span("somebody asks", parent=PARENT):
                hand_on_the_trace(headers=headers)
            sweep.push_request(**headers)
            try:
                sweep()
            finally:
                sweep.pop_request()
        finally:
            tracing.stop()

        asked = collector.wait_for("GET /api/v1/prompts", service="test")
        sender = collector.wait_for("somebody asks", service="test")
        worked = collector.wait_for("process core.sweep", service="test")
    assert collector.media_types == {"application/x-protobuf"}
    assert (asked.parent, worked.parent) == (PARENT.split("-")[2], sender.span)


def test_traces__no_collector_there__keep_nobody_from_an_answer(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as gone:
        pass
    monkeypatch.setenv(ENDPOINT, gone.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    tracing.set_up("test", endpoint=gone.url)
    try:
        assert Client(headers=cast.key().headers).get("/api/v1/prompts").status_code == 200
    finally:
        tracing.stop()


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_traces__of_real_processes__are_one_trace_across_them_and_sent_before_they_end(tmp_path: Path) -> None:
    """Web and worker: the request that saves a version, and the tasks that tell of it. Delivery: a request of Django's."""
    cast = make_cast()
    prompt(cast.ada)
    headers = {**cast.key().headers, "traceparent": PARENT}
    with collecting() as collector:
        told = {ENDPOINT: collector.url}
        with run_web(tmp_path, **told) as web, run_worker(tmp_path, **told), run_delivery(tmp_path, **told) as delivery:
            saved = httpx.post(f"{web.url}{VERSIONS}", json={"text": "Another"}, headers=headers, trust_env=False)
            rendering = f"{delivery.url}/api/v1/environments/staging/prompts/support/triage/render"
            httpx.post(rendering, json={"variables": {}}, headers=headers, trust_env=False)
            worked = collector.wait_for("process ", service="greenroom-worker")
        asked = collector.wait_for("POST /api/v1/prompts/", service="greenroom-web")
        collector.wait_for("POST /api/v1/environments/", service="greenroom-delivery")
    assert saved.status_code == 201
    assert (asked.parent, worked.parent) == (PARENT.split("-")[2], asked.span)
