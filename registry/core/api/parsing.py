"""JSON in and out: one strict parser for every body, and text that keeps its characters and its order."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from registry.core.canonical import InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid


class StrictJsonParser(BaseParser):
    """Refuses duplicate keys, NaN, oversized numbers, depth, NUL and lone surrogates with the position."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The body as JSON; an empty body counts as `{}`. Raises Invalid `json.invalid`."""
        raw = stream.read()
        if not raw:
            return {}
        try:
            return parse_json(raw)
        except InvalidJson as problem:
            raise Invalid("json.invalid", str(problem), errors=[FieldError("", "json", str(problem))]) from None


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
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str).encode()
