"""Callers of the API in tests. Every answer is held to the OpenAPI document: its status, its media type, its body."""

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from django.http import HttpResponse
from django.test import Client
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from registry.core.actor import Actor
from registry.core.models import Member
from tests.builders import Key, signed_in

PROBLEM = "application/problem+json"


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of this server."""
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    json: Any
    body: bytes
    headers: dict[str, str]

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    @property
    def code(self) -> str:
        """The code of a problem."""
        return str(self.json["code"])


class Api:
    """Somebody who calls: a member (as an actor), a key, or nobody."""

    def __init__(self, caller: Actor | Key | None = None, *, workspace: str = "") -> None:
        self.http = Client()
        self.headers: dict[str, str] = {"X-Workspace": workspace} if workspace else {}
        if isinstance(caller, Key):
            self.headers |= caller.headers
        elif caller is not None:
            member = Member.objects.select_related("user", "workspace").get(pk=caller.member_id)
            signed_in(self.http, member.user)
            self.headers.setdefault("X-Workspace", member.workspace.slug)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, {} if body is None else body, **headers)

    def patch(self, path: str, body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self.call("PUT", path, body, **headers)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def act(self, promotion: int, action: str, body: Any = None) -> Answer:
        """A POST below a promotion, with the ETag of now."""
        seen = self.get(f"promotions/{promotion}")
        return self.post(f"promotions/{promotion}/{action}", body, **{"If-Match": seen.etag})

    def call(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Answer:
        address = f"/api/v1/{path}"
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        response = self.http.generic(
            method,
            address,
            content,
            content_type="application/json",
            headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )
        hold_to_document(method, address, response)
        content = b"".join(response) if response.streaming else response.content
        is_json = bool(content) and response["Content-Type"] in {"application/json", PROBLEM}
        return Answer(
            response.status_code,
            json.loads(content) if is_json else None,
            content,
            dict(response.headers),
        )


def name_in_path(name: str) -> str:
    """A prompt's name as one segment: slashes too are percent-encoded."""
    return quote(name, safe="")


def hold_to_document(method: str, address: str, response: HttpResponse) -> None:
    """Raises AssertionError for an answer that the OpenAPI document does not describe."""
    operation = operation_of(method, address)
    if operation is None:
        assert response.status_code in {404, 405}, f"{method} {address} is not in the document"
        return
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, f"{method} {address}: {response.status_code} is not documented: {response.content!r}"
    content = described.get("content")
    if not content or method == "HEAD":
        assert not response.content
        return
    kind = response["Content-Type"].partition(";")[0]
    assert kind in content, f"{method} {address}: {kind} is not documented"
    if not kind.endswith("json") or response.streaming:
        return
    schema = {**content[kind]["schema"], "components": document()["components"]}
    mistakes = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(json.loads(response.content))
    ]
    assert not mistakes, f"{method} {address}: {mistakes}"
    if response.status_code < 300 and "properties" in _target(schema):
        unknown = set(json.loads(response.content)) - set(_target(schema)["properties"])
        assert not unknown, f"{method} {address}: {unknown} is not documented"


def operation_of(method: str, address: str) -> dict[str, Any] | None:
    """The documented operation of an address."""
    try:
        route = resolve(address.partition("?")[0]).route
    except Exception:
        return None
    path = "/" + re.sub(r"<\w+:(\w+)>", lambda found: "{" + found[1].replace("pk", "id", 1) + "}", route)
    operations = document()["paths"].get(path, {})
    return operations.get("get" if method == "HEAD" else method.lower())


def _target(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "").rpartition("/")[2]
    return document()["components"]["schemas"].get(reference, {})
