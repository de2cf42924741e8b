"""What clients observe: kept by version, bounded, and nothing of what was asked or answered."""

import gzip
import json
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from prompts_app.actions import observations
from prompts_app.models import Observation
from tests.builders import Cast
from tests.compat.client import Answer, Langfuse

PROTOBUF = "application/x-protobuf"


@pytest.fixture
def ci(cast: Cast) -> Langfuse:
    """A CI key, and a prompt with two versions."""
    key = Langfuse(cast.key())
    key.create("x", "one")
    key.create("x", "two")
    return key


def export(*spans: dict[str, Any]) -> ExportTraceServiceRequest:
    """An export of spans that took 250 ms each."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, attributes in enumerate(spans):
        span = scope.spans.add(span_id=number.to_bytes(8), trace_id=bytes(16), name="answer")
        span.start_time_unix_nano, span.end_time_unix_nano = 1_700_000_000_000_000_000, 1_700_000_000_250_000_000
        for key, value in attributes.items():
            kind = "int_value" if isinstance(value, int) else "string_value"
            setattr(span.attributes.add(key=key).value, kind, value)
    return request


def used(version: Any = 1, name: str = "x", **more: Any) -> dict[str, Any]:
    """The attributes of a generation."""
    return {
        "langfuse.observation.prompt.name": name,
        "langfuse.observation.prompt.version": version,
        "langfuse.observation.usage_details": json.dumps({"input": 12, "output": 5, "total": 17}),
        "langfuse.observation.model.name": "small",
        "langfuse.observation.output": "what nobody keeps",
        **more,
    }


def post(key: Langfuse, body: bytes, kind: str = PROTOBUF, **headers: str) -> Answer:
    return key.call("POST", "otel/v1/traces", raw=body, content_type=kind, **headers)


def test_traces__in_protobuf__are_kept_by_version(ci: Langfuse):
    spans = export(used(1), used(2, **{"langfuse.observation.usage_details": "{"}), used(9), used(1, "y"), {"a": "b"})
    for body, headers in (
        (spans.SerializeToString(), {}),
        (gzip.compress(spans.SerializeToString()), {"Content_Encoding": "gzip"}),
    ):
        answer = post(ci, body, **headers)
        assert (answer.status, answer.json) == (200, {})
    first, second = Observation.objects.order_by("version__number")
    assert (first.version.number, first.latency_ms, first.input_tokens, first.output_tokens, first.model) == (
        1,
        250,
        12,
        5,
        "small",
    )
    assert (second.version.number, second.latency_ms, second.input_tokens) == (2, 250, None)


def test_traces__in_json__are_the_same(ci: Langfuse):
    attributes = [
        {"key": "langfuse.observation.prompt.name", "value": {"stringValue": "x"}},
        {"key": "langfuse.observation.prompt.version", "value": {"intValue": "2"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": 3}},
    ]
    span = {"spanId": "ab" * 8, "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "attributes": attributes}]}]}]}
    assert post(ci, json.dumps(body).encode(), "application/json").status == 200
    seen = Observation.objects.get()
    assert (seen.version.number, seen.latency_ms, seen.input_tokens, seen.output_tokens) == (2, 1000, 3, None)


def test_traces__that_are_none__are_400(ci: Langfuse):
    assert post(ci, b"\xff\xff\xff").status == 400
    assert post(ci, b"{", "application/json").status == 400
    assert post(ci, b"no gzip", Content_Encoding="gzip").status == 400
    assert post(ci, b"").json == {}
    assert post(Langfuse(), b"").status == 401


def test_traces__of_a_service__count_only_what_it_may_read(cast: Cast, ci: Langfuse):
    staging = Langfuse(cast.key("service", environment="staging"))
    development = Langfuse(cast.key("service", environment="development"))
    for key in (staging, development):
        assert post(key, export(used(2)).SerializeToString()).status == 200
    assert Observation.objects.get().environment == "development"


def test_observations__of_a_version__are_bounded(cast: Cast, ci: Langfuse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(observations, "KEPT_PER_VERSION", 5)
    post(ci, export(*[used(1) for _ in range(9)]).SerializeToString())
    post(ci, export(used(2)).SerializeToString())
    assert sorted(Observation.objects.values_list("version__number", flat=True)) == [1] * 5 + [2]


def test_ingestion__of_older_clients__is_207(ci: Langfuse):
    body = {
        "id": "g", "promptName": "x", "promptVersion": 1, "model": "m", "startTime": "2025-01-01T00:00:00.000Z",
        "endTime": "2025-01-01T00:00:02.000Z", "usage": {"promptTokens": 4, "completionTokens": 2},
    }  # fmt: skip
    batch = [{"id": "e", "type": "generation-create", "body": body}, {"id": "s", "type": "score-create", "body": {}}]
    answer = ci.call("POST", "ingestion", {"batch": batch, "metadata": {}})
    assert answer.status == 207
    assert answer.json == {"successes": [{"id": "e", "status": 201}, {"id": "s", "status": 201}], "errors": []}
    seen = Observation.objects.get()
    assert (seen.latency_ms, seen.input_tokens, seen.output_tokens) == (2000, 4, 2)
    assert ci.call("POST", "ingestion", {"batch": 1}).status == 400
