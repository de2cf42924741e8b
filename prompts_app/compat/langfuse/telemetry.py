"""What these clients report: spans by OpenTelemetry (protobuf or JSON), and events of older clients. Only which version was
used, how long it took and how many tokens is taken from them, nothing of what was asked or answered.
"""

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from prompts_app.actions.observations import Report
from registry.core.canonical import JSON, InvalidJson, is_storable, parse_json
from registry.core.errors import Invalid, TooLarge

MOST_SPANS = 5_000
LARGEST_BYTES = 20 * 1024 * 1024
OBSERVATION = "langfuse.observation"
NAMES = (f"{OBSERVATION}.prompt.name", "langfuse.prompt.name")
VERSIONS = (f"{OBSERVATION}.prompt.version", "langfuse.prompt.version")
MODELS = (f"{OBSERVATION}.model.name", "gen_ai.response.model", "gen_ai.request.model")
INPUTS = ("input", "input_tokens", "prompt_tokens", "promptTokens", "gen_ai.usage.input_tokens")
OUTPUTS = ("output", "output_tokens", "completion_tokens", "completionTokens", "gen_ai.usage.output_tokens")


type Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    """As much of a span as is looked at; times in nanoseconds since the epoch."""

    id: str
    began_ns: int
    ended_ns: int
    attributes: Attributes


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its compression; raises TooLarge and Invalid."""
    if encoding.strip().lower() not in {"gzip", "x-gzip"}:
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            plain = packed.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise Invalid("body.gzip", "The body is no gzip.") from None
    if len(plain) > LARGEST_BYTES:
        raise TooLarge("body.too_large", f"Unpacked the body has more than {LARGEST_BYTES} bytes.")
    return plain


def reports_of_traces(body: bytes, media_type: str) -> list[Report]:
    """The reports in an export of spans; raises Invalid for what is no such export."""
    spans = _json_spans(body) if "json" in media_type else _protobuf_spans(body)
    found = []
    for number, span in enumerate(spans):
        if number >= MOST_SPANS:
            break
        if report := _report(span):
            found.append(report)
    return found


def reports_of_events(events: Sequence[JSON]) -> list[Report]:
    """The reports among events of older clients: generations that say when they began and ended."""
    found = []
    for event in events[:MOST_SPANS]:
        body = event.get("body") if isinstance(event, dict) else None
        if not isinstance(body, dict) or not isinstance(body.get("promptName"), str):
            continue
        began, ended = _moment(body.get("startTime")), _moment(body.get("endTime"))
        if began is None:
            continue
        usage = body.get("usageDetails") or body.get("usage")
        model = body.get("model")
        attributes = {NAMES[0]: body["promptName"], VERSIONS[0]: body.get("promptVersion"), MODELS[0]: model}
        attributes |= usage if isinstance(usage, dict) else {}
        ended_ns = _nanoseconds(ended) if ended else 0
        if report := _report(Span(str(body.get("id", "")), _nanoseconds(began), ended_ns, attributes)):
            found.append(report)
    return found


def _protobuf_spans(body: bytes) -> Iterator[Span]:
    # Read at first use: it takes a web process a quarter of a second.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        export = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise Invalid("otlp.invalid", "The body is no export of OpenTelemetry spans in protobuf.") from None
    for resource in export.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {one.key: _plain(one.value) for one in span.attributes}
                yield Span(span.span_id.hex(), span.start_time_unix_nano, span.end_time_unix_nano, attributes)


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in {"string_value", "int_value", "double_value", "bool_value"} else None


def _json_spans(body: bytes) -> Iterator[Span]:
    try:
        document = parse_json(body)
    except InvalidJson as problem:
        raise Invalid("json.invalid", problem.message) from None
    for resource in _objects(document, "resourceSpans"):
        for scope in _objects(resource, "scopeSpans"):
            for span in _objects(scope, "spans"):
                attributes = {
                    str(one.get("key")): _json_value(one.get("value")) for one in _objects(span, "attributes")
                }
                began, ended = span.get("startTimeUnixNano"), span.get("endTimeUnixNano")
                yield Span(str(span.get("spanId", "")), _whole(began) or 0, _whole(ended) or 0, attributes)


def _json_value(value: JSON) -> JSON:
    if not isinstance(value, dict):
        return None
    return next((one for kind, one in value.items() if kind.endswith("Value") and not isinstance(one, dict)), None)


def _objects(value: JSON, key: str) -> Iterator[dict[str, JSON]]:
    listed = value.get(key) if isinstance(value, dict) else None
    yield from (one for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict))


def _report(span: Span) -> Report | None:
    name, version = _first(span.attributes, NAMES), _whole(_first(span.attributes, VERSIONS))
    if not isinstance(name, str) or not version or not span.id or not is_storable(f"{name}{span.id}"):
        return None
    usage: dict[str, Any] = {**span.attributes, **_usage(span.attributes.get(f"{OBSERVATION}.usage_details"))}
    model = _first(span.attributes, MODELS)
    latency_ns = span.ended_ns - span.began_ns
    return Report(
        name=name,
        version=version,
        span=span.id[:64],
        at=_time(span.ended_ns or span.began_ns),
        latency_ms=latency_ns // 1_000_000 if 0 <= latency_ns < 2**31 * 1_000_000 else None,
        input_tokens=_count(_first(usage, INPUTS)),
        output_tokens=_count(_first(usage, OUTPUTS)),
        model=model[:200] if isinstance(model, str) and is_storable(model) else "",
    )


def _usage(value: Any) -> dict[str, Any]:
    try:
        found = parse_json(value) if isinstance(value, str) else value
    except InvalidJson:
        return {}
    return found if isinstance(found, dict) else {}


def _first(values: Attributes, names: Sequence[str]) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _count(value: Any) -> int | None:
    number = _whole(int(value) if isinstance(value, float) and value.is_integer() else value)
    return number if number is not None and number < 2**31 else None


def _time(nanoseconds: int) -> datetime:
    """The time of a span, not later than the present: clocks elsewhere are not ours."""
    now = datetime.now(UTC)
    try:
        return min(datetime.fromtimestamp(nanoseconds / 1e9, UTC), now)
    except (OverflowError, ValueError, OSError):
        return now


def _moment(value: JSON) -> datetime | None:
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC) if found else None


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
