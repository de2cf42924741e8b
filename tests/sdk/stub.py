"""A server that answers by script: for what a real one would have to be driven into."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """An answer; `cut` breaks the connection instead of giving it."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass(frozen=True)
class Call:
    """What arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    """Quiet about connections that clients break: that is what the tests are about."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Stub:
    """Gives the scripted answers one after the other, the last one again and again; or what `route` says of a call."""

    def __init__(self, *replies: Reply, route: Callable[[Call], Reply] | None = None) -> None:
        self.replies = list(replies)
        self.route = route
        self.calls: list[Call] = []
        self.polls: list[Call] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                stub.answer(self)

            def do_POST(self) -> None:
                stub.answer(self)

            def log_message(self, *parts: Any) -> None:
                """Quiet."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        call = Call(handler.command, handler.path, dict(handler.headers), body)
        (self.polls if "/changes?" in call.path else self.calls).append(call)
        reply = self.route(call) if self.route else self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.cut:
            handler.close_connection = True
            handler.connection.close()
            return
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


def problem(status: int, code: str, detail: str, *fields: tuple[str, str], **headers: str) -> Reply:
    """A refusal as the server writes it."""
    errors = [{"field": name, "code": "invalid", "message": text} for name, text in fields]
    body = {"type": "", "title": "", "status": status, "code": code, "detail": detail, "errors": errors}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(body, status, {"Content-Type": "application/problem+json", **named})
