"""The least that could answer the same: an ASGI application that reads the `Authorization` header and sends fixed bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(BODY)).encode()),
    (b"etag", b'"' + b"0" * 64 + b'"'),
    (b"cache-control", b"private, max-age=10, stale-while-revalidate=60, stale-if-error=86400"),
    (b"vary", b"Authorization, X-Workspace"),
    (b"x-registry-revision", b"1"),
    (b"x-content-type-options", b"nosniff"),
]
ANSWERS = {
    True: ({"type": "http.response.start", "status": 200, "headers": HEADERS}, BODY),
    False: ({"type": "http.response.start", "status": 304, "headers": HEADERS[2:]}, b""),
}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    authorization, is_full = b"", True
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"if-none-match":
            is_full = False
    assert authorization
    start, body = ANSWERS[is_full]
    await send(start)
    await send({"type": "http.response.body", "body": body})
