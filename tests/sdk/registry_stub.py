"""A registry in a few lines: what is live by name, with the bodies, tags and refusals of the real one."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from greenroom import Client
from greenroom.content import digest_of
from tests.sdk.stub import Call, Reply, Stub, problem

NAME = "support/triage"
DOWN = Reply("<h1>Bad gateway</h1>", 502)


def until(condition: Callable[[], object]) -> None:
    """Wait for it, at most 20 seconds."""
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def serves(client: Client, version: int, name: str = NAME) -> bool:
    return client.get(name).version == version


def content(text: str | None = "Hello {{ name }}", **more: Any) -> dict[str, Any]:
    """The content fields of a version."""
    said = {"text": text} if "messages" not in more else {}
    variables = {"type": "object", "properties": {"name": {}}, "required": ["name"]}
    rest = {"config": {}, "tools": None, "response_format": None, "includes": []}
    return {"template_format": "jinja", **said, "variables": variables, **rest, **more}


def body(
    name: str = "support/triage", version: int = 1, revision: int = 1, epoch: int = 1, **more: Any
) -> dict[str, Any]:
    """A delivery body whose digest is right."""
    said = content(**{key: value for key, value in more.items() if key != "environment"})
    return {
        "name": name, "environment": more.get("environment", "production"), "version": version, "digest": digest_of(said),
        "revision": revision, "epoch": epoch, "kind": "chat" if "messages" in said else "text", **said,
        "deployed_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def pinned(live: dict[str, Any]) -> dict[str, Any]:
    """The same version as its own address gives it."""
    return {
        name: value for name, value in live.items() if name not in {"environment", "revision", "epoch", "deployed_at"}
    }


@dataclass
class Registry:
    """What the stub serves; `trouble` is answered instead while it is set. Answers are fresh for `max_age` seconds.

    With `has_feed` changes are told by long poll, as far back as `kept_since`; `says_where` is what a refusal of earlier ones says.
    """

    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    pins: dict[str, dict[str, Any]] = field(default_factory=dict)
    trouble: Reply | None = None
    delay_s: float = 0.0
    max_age: int = 0
    snapshots: int = 0
    has_feed: bool = False
    kept_since: int = 0
    says_where: dict[str, int] = field(default_factory=dict)
    log: list[tuple[int, str]] = field(default_factory=list)

    def put(self, *bodies: dict[str, Any]) -> None:
        for one in bodies:
            self.live[one["name"]] = one
            self.log.append((one["revision"], one["name"]))
            self.pins[f"{one['name']}/versions/{one['version']}"] = pinned(one)
            self.pins[f"{one['name']}/digests/{one['digest']}"] = pinned(one)

    def serve(self) -> Stub:
        return Stub(route=self.answer)

    def answer(self, call: Call) -> Reply:
        time.sleep(self.delay_s)
        if self.trouble is not None:
            return self.trouble
        path = unquote(call.path).removeprefix("/api/v1/")
        if self.has_feed and "/changes?" in path:
            return self._changes(int(path.partition("since=")[2].partition("&")[0]))
        if path == "environments/production/snapshot":
            self.snapshots += 1
            revision = max((one["revision"] for one in self.live.values()), default=0)
            epoch = max((one["epoch"] for one in self.live.values()), default=1)
            about = {"environment": "production", "revision": revision, "epoch": epoch, "prompts": self.live}
            return self._tagged(call, about)
        found = self.live.get(path.removeprefix("environments/production/prompts/"))
        found = self.pins.get(path.removeprefix("prompts/")) if path.startswith("prompts/") else found
        return self._tagged(call, found) if found else problem(404, "not_deployed", "Nothing of that name is live.")

    def withdraw(self, name: str, revision: int) -> None:
        del self.live[name]
        self.log.append((revision, name))

    def _changes(self, since: int) -> Reply:
        """As the real one, but it waits for half a second at most."""
        ends = time.monotonic() + 0.5
        if since < self.kept_since:
            gone = problem(410, "changes.gone", "Fetch anew what you hold.")
            return replace(gone, body={**gone.body, **self.says_where})
        while not (news := [one for one in self.log if one[0] > since]) and self.trouble is None:
            if time.monotonic() > ends:
                return Reply(b"", 204)
            time.sleep(0.005)
        if self.trouble is not None:
            return self.trouble
        epoch = max((one["epoch"] for one in self.live.values()), default=1)
        changes = [
            {"revision": revision, "name": name, "version": 1, "digest": "", "kind": ""} for revision, name in news
        ]
        return Reply({"revision": max(news)[0], "epoch": epoch, "changes": changes})

    def _tagged(self, call: Call, value: dict[str, Any]) -> Reply:
        raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        etag = f'"{hashlib.sha256(raw).hexdigest()}"'
        headers = {"ETag": etag, "Cache-Control": f"private, max-age={self.max_age}, stale-while-revalidate=60"}
        is_known = call.headers.get("If-None-Match") == etag
        return Reply(b"" if is_known else raw, 304 if is_known else 200, headers)
