"""A small server that lists and gives prompts as Langfuse does, over a real socket."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PUBLIC, SECRET = "pk-lf-canary-public", "sk-lf-canary-secret"


class LangfuseStub:
    """`prompts` by name, each a list of versions; `fails` are statuses to answer first."""

    def __init__(self) -> None:
        self.prompts: dict[str, list[dict[str, Any]]] = {}
        self.fails: list[int] = []
        self.asked: list[str] = []
        self.url = ""

    def add(self, name: str, prompt: Any, *, labels: tuple[str, ...] = (), **more: Any) -> None:
        """The next version."""
        versions = self.prompts.setdefault(name, [])
        for one in versions:
            one["labels"] = [label for label in one["labels"] if label not in labels and label != "latest"]
        number = more.pop("version", len(versions) + 1)
        made = {
            "id": f"{name}-{number}", "createdAt": f"2024-01-{number:02}T10:00:00.000Z", "createdBy": "dora",
            "name": name, "version": number, "type": "text" if isinstance(prompt, str) else "chat", "prompt": prompt,
            "config": {}, "labels": [*labels, "latest"], "tags": ["old"], "commitMessage": f"change {number}",
            "projectId": "p", "resolutionGraph": None,
        }  # fmt: skip
        versions.append({**made, **more})

    def answer(self, path: str) -> tuple[int, Any]:
        """Status and body of a GET."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        base = "/api/public/v2/prompts"
        if parts.path == base:
            return 200, self._page(int(query["page"]), 2)
        name = unquote(parts.path.removeprefix(f"{base}/"))
        found = [one for one in self.prompts.get(name, []) if str(one["version"]) == query.get("version")]
        return (200, found[0]) if found else (404, {"message": "not found", "error": "LangfuseNotFoundError"})

    def _page(self, page: int, size: int) -> dict[str, Any]:
        rows = [
            {"name": name, "type": "text", "versions": [one["version"] for one in versions], "labels": [], "tags": [],
             "lastUpdatedAt": "2024-01-01T00:00:00Z", "lastConfig": {}}
            for name, versions in sorted(self.prompts.items())
        ]  # fmt: skip
        pages = -(-len(rows) // size)
        meta = {"page": page, "limit": size, "totalItems": len(rows), "totalPages": pages}
        return {"data": rows[(page - 1) * size : page * size], "meta": meta}


@contextmanager
def langfuse() -> Iterator[LangfuseStub]:
    """The server, answering until the end."""
    stub = LangfuseStub()
    wanted = "Basic " + base64.b64encode(f"{PUBLIC}:{SECRET}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stub.asked.append(self.path)
            if self.headers["Authorization"] != wanted:
                status, body = 401, {"message": "Invalid credentials"}
            elif stub.fails:
                status, body = stub.fails.pop(0), {"message": "busy"}
            else:
                status, body = stub.answer(self.path)
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Retry-After", "0")
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
