"""Answers as ASGI messages."""

import json
import uuid

from prompts_app.delivery.memory import Message, Reply
from registry.core.canonical import JSON
from registry.core.errors import PROBLEM, RegistryError
from registry.core.web import REQUEST_ID


def problem(error: RegistryError, request_id: str) -> Reply:
    """A refusal as problem JSON, the same document that the API answers with."""
    said = request_id if REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex
    body = json.dumps(error.to_problem(said), ensure_ascii=False).encode()
    headers = [
        (b"content-type", PROBLEM.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"Authorization, X-Workspace"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", said.encode()),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="greenroom"'))
    headers += [(name.lower().encode(), value.encode()) for name, value in error.waiting.items()]
    start: Message = {"type": "http.response.start", "status": error.status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def refused(error: RegistryError, status: int, body: dict[str, JSON]) -> Reply:
    """A refusal in the words of other clients than ours."""
    start, told = plain(json.dumps(body, ensure_ascii=False).encode())
    headers = start["headers"]
    assert isinstance(headers, list)
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="greenroom"'))
    headers += [(name.lower().encode(), value.encode()) for name, value in error.waiting.items()]
    return {**start, "status": status}, told


def with_headers(reply: Reply, extra: list[tuple[bytes, bytes]], *, has_body: bool = True) -> Reply:
    """The same answer with more headers; without its body for HEAD."""
    start, body = reply
    given = start["headers"]
    assert isinstance(given, list)
    return {**start, "headers": [*given, *extra]}, body if has_body else {**body, "body": b""}


def plain(body: bytes, media_type: str = "application/json") -> Reply:
    """An answer that nobody keeps."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"Authorization, X-Workspace"),
        (b"x-content-type-options", b"nosniff"),
    ]
    start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def nothing_new(revision: int, stale_s: int) -> Reply:
    """204: nothing moved. `stale_s` above 0 says for how long changes may have gone unheard."""
    headers = [(b"cache-control", b"no-store"), (b"x-registry-revision", str(revision).encode())]
    headers += [(b"x-registry-stale", str(stale_s).encode())] if stale_s else []
    return {"type": "http.response.start", "status": 204, "headers": headers}, {
        "type": "http.response.body",
        "body": b"",
    }
