"""Traces: spans of requests, tasks and questions to models, in one trace each, with nothing of what was said."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client

from evals_app.actions.runs import start_run
from evals_app.scripted_provider import Rule
from registry.celery import hand_on_the_trace
from registry.core import tracing
from registry.core.tasks import sweep
from tests import builders
from tests.builders import Cast
from tests.evals import building

pytest.importorskip("opentelemetry.sdk")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SAID, KEY = "what nobody may read", "sk-canary-of-a-provider"


@pytest.fixture
def spans() -> Iterator[Any]:
    """Everything this process traces, in memory."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    tracing.start("test", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.stop()


def by_name(spans: Any) -> dict[str, Any]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_request__traced__is_a_span_by_its_route_in_the_callers_trace(
    cast: Cast, spans: Any, caplog: pytest.LogCaptureFixture
) -> None:
    key = cast.key()
    caplog.set_level(logging.WARNING)
    client = Client(headers={**key.headers, "traceparent": PARENT})
    assert client.get(f"/api/v1/prompts/{SAID.replace(' ', '-')}?q={SAID}").status_code == 404
    assert client.post("/api/v1/members", {}, content_type="application/json").status_code == 403
    found = by_name(spans)
    asked = next(span for name, span in found.items() if name.startswith("GET /api/v1/prompts/<"))
    assert f"{asked.context.trace_id:032x}" == TRACE and f"{asked.parent.span_id:016x}" == PARENT.split("-")[2]
    assert asked.attributes["http.response.status_code"] == 404
    assert SAID.replace(" ", "-") not in asked.to_json() and SAID not in asked.to_json()
    (line,) = [record for record in caplog.records if "request.refused" in str(record.msg)]
    assert TRACE in str(line.msg)


def test_question__traced__tells_model_and_tokens_and_nothing_that_was_said(cast: Cast, spans: Any) -> None:
    with building.scripted(Rule(anywhere="0", status=500)) as provider:
        building.add_provider(cast, provider, api_key=KEY)
        version = builders.prompt(cast.ada, text=f"{SAID}: {{{{ q }}}}").versions.select_related("prompt").get()
        suite = building.suite(cast.ada, of=building.cases(2))
        building.work(start_run(cast.ada, version, suite, baseline=None))
    asked = [span for span in spans.get_finished_spans() if span.name == "chat scripted"]
    assert {span.attributes.get("error.type") for span in asked} == {None, "server"}
    answered = next(span for span in asked if "error.type" not in span.attributes)
    assert (
        answered.attributes["gen_ai.usage.output_tokens"] > 0 and answered.attributes["server.address"] == "127.0.0.1"
    )
    everything = json.dumps([span.to_json() for span in spans.get_finished_spans()])
    assert SAID not in everything and KEY not in everything


def test_task__sent_within_a_trace__goes_on_with_it(spans: Any, db: None) -> None:
    headers: dict[str, Any] = {}
    with tracing.span("somebody asks", parent=PARENT):
        hand_on_the_trace(headers=headers)
    assert headers[tracing.PARENT].split("-")[1] == TRACE
    sweep.push_request(**headers)
    try:
        sweep()
    finally:
        sweep.pop_request()
    span = by_name(spans)["process core.sweep"]
    assert f"{span.context.trace_id:032x}" == TRACE


def test_failure__of_a_step__is_told_by_its_class_alone(spans: Any) -> None:
    with pytest.raises(ValueError), tracing.span("step"):
        raise ValueError(SAID)
    (step,) = spans.get_finished_spans()
    assert step.attributes["error.type"] == "ValueError" and not step.events and SAID not in step.to_json()


def test_service__is_called_as_the_operator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    def service() -> str:
        exporter = InMemorySpanExporter()
        tracing.start("greenroom-web", SimpleSpanProcessor(exporter))
        with tracing.span("step"):
            pass
        tracing.stop()
        return str(exporter.get_finished_spans()[0].resource.attributes["service.name"])

    assert service() == "greenroom-web"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "prompts-eu")
    assert service() == "prompts-eu"


def test_tracing__that_was_not_set_up__is_nothing() -> None:
    tracing.set_up("test", endpoint="")
    with tracing.span("step") as span:
        span.note({"x": 1})
        assert (tracing.trace_id(), tracing.traceparent()) == ("", "")
    assert tracing.with_trace_id(None, "info", {"event": "x"}) == {"event": "x"}
    assert structlog.is_configured()
