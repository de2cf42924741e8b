"""JSON in and out: one strict parser for every body, and text that keeps its characters and its order."""

import json
from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from registry.core.canonical import MAX_DEPTH, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid


class StrictJsonParser(BaseParser):
    """Refuses duplicate keys, NaN, oversized numbers, depth, NUL and lone surrogates with the position."""

    media_type = "application/json"
    max_depth = MAX_DEPTH

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The body as JSON; an empty body counts as `{}`. Raises Invalid `json.invalid`, with the `position` where known."""
        raw = stream.read()
        if not raw:
            return {}
        try:
            return parse_json(raw, max_depth=self.max_depth)
        except InvalidJson as problem:
            errors = [FieldError(problem.path, "json", problem.message)]
            raise Invalid("json.invalid", problem.message, errors=errors, position=problem.position) from None


class JsonTextRenderer(BaseRenderer):
    """JSON as UTF-8 in the order of its keys; already encoded text passes through untouched."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """The bytes of an answer; nothing for an answer without a body."""
        if data is None:
            return b""
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


class OnlyJson(BaseContentNegotiation):
    """The API speaks JSON, whatever the caller would rather have."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """The parser for the body's type; None (415) for any other, but not for a body without a type."""
        given = (request.content_type or "application/json").partition(";")[0].strip().lower()
        is_json = given == "application/json" or given.endswith("+json")
        return next(iter(parsers), None) if is_json else None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The one renderer there is."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
