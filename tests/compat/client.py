"""A caller of the Langfuse-compatible API, without a client library between."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client

from registry.core.keys import KeyToken
from tests.builders import Key


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    json: Any
    headers: dict[str, str]

    @property
    def message(self) -> str:
        return str(self.json["message"])


def pair(key: Key) -> tuple[str, str]:
    """The key's public and secret part."""
    token = KeyToken.parse(key.token)
    assert token is not None
    return token.basic


class Langfuse:
    """A key's pair at work."""

    def __init__(self, key: Key | None = None) -> None:
        self.http = Client()
        self.headers: dict[str, str] = {}
        if key is not None:
            self.headers["Authorization"] = f"Basic {base64.b64encode(':'.join(pair(key)).encode()).decode()}"

    def get(self, name: str, **query: Any) -> Answer:
        """One prompt."""
        return self.call("GET", f"v2/prompts/{name}", query=query)

    def list(self, **query: Any) -> Answer:
        """All prompts."""
        return self.call("GET", "v2/prompts", query=query)

    def create(self, name: str = "support/triage", prompt: Any = "Hello {{name}}", **fields: Any) -> Answer:
        """The next version."""
        return self.call("POST", "v2/prompts", {"name": name, "prompt": prompt, **fields})

    def label(self, name: str, version: int, *labels: str) -> Answer:
        """Labels moved to a version."""
        return self.call("PATCH", f"v2/prompts/{name}/versions/{version}", {"newLabels": list(labels)})

    def delete(self, name: str, **query: Any) -> Answer:
        """A prompt, or one version of it, taken out of use."""
        return self.call("DELETE", f"v2/prompts/{name}", query=query)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        raw: bytes | None = None,
        content_type: str = "application/json",
        **headers: str,
    ) -> Answer:
        """One request below /api/public/."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        response: HttpResponse = self.http.generic(
            method,
            f"/api/public/{path}",
            content,
            content_type=content_type,
            query_params=query or {},
            headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )
        if response.content:
            assert response["Content-Type"] == "application/json"
        if response.status_code >= 400:
            assert set(json.loads(response.content)) <= {"message", "error", "blockers"}
            assert response.status_code not in {408, 409}
        return Answer(
            response.status_code, json.loads(response.content) if response.content else None, dict(response.headers)
        )
