"""Traces by OpenTelemetry, where its extra is installed and an endpoint is set: which part of a request or task took how long.

Spans hold names, numbers and kinds of failure. What was asked, answered, sent or typed is in none, nor is an address with what
stands in it. Until `start` every span is nothing and costs nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog

type Value = str | int | float | bool

PARENT = "traceparent"
log = structlog.get_logger(__name__)


class Span:
    """One step that is being taken; this one is of no trace."""

    def note(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes."""

    def name(self, name: str) -> None:
        """Call it otherwise than at its beginning."""

    def fail(self, kind: str) -> None:
        """Say that it failed, and by what kind of failure, never with its text; what is said first counts."""


NO_SPAN = Span()


@dataclass
class _Tracing:
    """What this process traces with; `tracer` is None while it traces nothing."""

    tracer: Any = None
    provider: Any = None


_process = _Tracing()


class _Traced(Span):
    """A step of a trace."""

    def __init__(self, span: Any) -> None:
        self._span, self._has_failed = span, False

    def note(self, attributes: Mapping[str, Value]) -> None:
        self._span.set_attributes(attributes)

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, kind: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        if self._has_failed:
            return
        self._has_failed = True
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


def set_up(service: str, *, endpoint: str) -> None:
    """Trace this process where the operator named an endpoint; `service` is what it is called there.

    Called after a fork, never before: the thread that sends would stay behind.
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter()  # imports what it sends by
    except ImportError:
        log.warning("tracing.not_installed", needed="the extra `otel`")
        return
    start(service, BatchSpanProcessor(exporter))


def start(service: str, processor: Any) -> None:
    """Trace from now on, to this span processor of the SDK."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    ours = Resource.create({"service.name": service})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))  # what the operator says goes first
    provider.add_span_processor(processor)
    _process.provider, _process.tracer = provider, provider.get_tracer("greenroom")


def stop() -> None:
    """Send what was not sent yet, and trace no more."""
    if _process.provider is not None:
        _process.provider.shutdown()
    _process.provider = _process.tracer = None


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, Value] | None = None,
    *,
    kind: str = "INTERNAL",
    parent: str | None = None,
) -> Iterator[Span]:
    """One step, begun now and ended with the block; an exception marks it by its class alone.

    `kind` is a SpanKind of OpenTelemetry; `parent` a W3C `traceparent` that came from outside, "" for none.
    """
    if _process.tracer is None:
        yield NO_SPAN
        return
    from opentelemetry.trace import SpanKind

    begun = _process.tracer.start_as_current_span(
        name,
        context=None if parent is None else _context_of(parent),
        kind=SpanKind[kind],
        attributes=dict(attributes or {}),
        record_exception=False,
        set_status_on_exception=False,
    )
    with begun as current:
        traced = _Traced(current)
        try:
            yield traced
        except BaseException as error:
            traced.fail(type(error).__name__)
            raise


def traceparent() -> str:
    """What lets another process go on with this trace; empty where there is none."""
    if _process.tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(PARENT, "")


def trace_id() -> str:
    """The present trace, as 32 hex digits; empty where there is none."""
    if _process.tracer is None:
        return ""
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""


def with_trace_id(logger: object, method: str, event: Any) -> Any:
    """A processor of structlog: the trace's id on every line that is written within one."""
    if found := trace_id():
        event["trace_id"] = found
    return event


def _context_of(parent: str) -> Any:
    """The trace that a `traceparent` names, else a new one, whatever this process is doing."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({PARENT: parent} if parent else {}, context=Context())
