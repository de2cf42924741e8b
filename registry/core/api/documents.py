"""`/api/schema` and `/api/docs`: the OpenAPI document, for programs and for people. Open to everybody: it holds no data."""

import hashlib
import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

from registry.core.api.conditions import holds, quoted
from registry.core.api.reference import problem_lines, sections
from registry.core.web import only_read


@cache
def document_bytes() -> bytes:
    """The OpenAPI document as JSON; made once per process, in about a second."""
    document: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json.dumps(document, ensure_ascii=False).encode()


@cache
def document_etag() -> str:
    """The digest of the document."""
    return quoted(hashlib.sha256(document_bytes()).hexdigest())


@only_read
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI 3.1 document."""
    is_known = holds(request.headers.get("If-None-Match", ""), document_etag())
    response = HttpResponse(b"" if is_known else document_bytes(), content_type="application/json")
    response.status_code = 304 if is_known else 200
    response["ETag"] = document_etag()
    response["Cache-Control"] = "public, no-cache"
    return response


@only_read
def reference(request: HttpRequest) -> HttpResponse:
    """The same as a page, without a script."""
    document = json.loads(document_bytes())
    context = {"sections": sections(document), "problem": problem_lines(document), "about": document["info"]}
    return render(request, "registry/api_reference.html", context)
