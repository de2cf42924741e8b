"""The OpenAPI document: complete, valid, and without a warning."""

import io
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver

from tests.api.client import document

HIDDEN = {"api_schema", "api_docs"}


def api_routes() -> Iterator[tuple[str, URLPattern]]:
    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route, pattern

    yield from ((route, found) for route, found in walk(get_resolver().url_patterns, "") if route.startswith("api/v1/"))


@pytest.mark.django_db
def test_document__generated_strictly__is_valid_and_without_warnings(tmp_path):
    out = tmp_path / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(out), stdout=io.StringIO())
    assert "openapi: 3.1" in out.read_text()


def test_document__every_route_and_method__is_in_it():
    described = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    count = 0
    for _, pattern in api_routes():
        view = getattr(pattern.callback, "cls", None)
        assert view is not None, f"{pattern.name} is no API view"
        count += sum(hasattr(view, method) for method in ("get", "post", "put", "patch", "delete"))
    assert count == len(described)


def test_document__every_operation__has_an_id_a_summary_and_described_answers():
    ids = set()
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["operationId"] not in ids, where
            ids.add(operation["operationId"])
            assert operation["summary"].endswith("."), where
            success = [status for status in operation["responses"] if status < "400"]
            assert success, where
            for status in success:
                assert status in {"204", "304"} or operation["responses"][status].get("content"), f"{where} {status}"
            if method != "get" and "promotions/{id}/" in path:
                assert {"412", "428"} <= operation["responses"].keys(), where


def test_document__bodies__refuse_unknown_fields():
    for name, schema in document()["components"]["schemas"].items():
        if name.endswith("Request"):
            assert schema.get("additionalProperties") is False, name
    writes = (
        (f"{method} {path}", operation)
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        if method in {"post", "put", "patch"}
    )
    assert [where for where, operation in writes if "requestBody" not in operation] == []


@pytest.mark.django_db
def test_schema__for_anybody__is_the_document_with_a_tag(client):
    answer = client.get("/api/schema")
    assert answer.status_code == 200 and answer["Content-Type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.1") and answer.json()["paths"].keys() == document()["paths"].keys()
    assert client.get("/api/schema", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    assert client.post("/api/schema").status_code == 405


@pytest.mark.django_db
def test_docs__for_anybody__name_every_operation_and_need_no_script(client):
    answer = client.get("/api/docs")
    text = answer.content.decode()
    assert answer.status_code == 200
    for path, methods in document()["paths"].items():
        assert path in text
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in text
    assert (
        "style=" not in text.partition('<main id="main"')[2] and "<script" not in text.partition('<main id="main"')[2]
    )
    assert "'unsafe" not in answer["Content-Security-Policy"]
