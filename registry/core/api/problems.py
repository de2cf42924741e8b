"""Errors of the API as `application/problem+json` (RFC 9457)."""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from psycopg.errors import DiskFull
from rest_framework import exceptions
from rest_framework.views import set_rollback

from registry.core.canonical import JSON
from registry.core.errors import (
    PROBLEM,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    RegistryError,
    Unauthenticated,
    Unavailable,
)
from registry.core.fields import REPORTED
from registry.core.refusals import note_refusal
from registry.core.web import request_id_of

log = structlog.get_logger(__name__)

type Dialect = Callable[[RegistryError], tuple[int, dict[str, JSON]]]
_dialects: dict[str, Dialect] = {}


def speak(prefix: str, dialect: Dialect) -> None:
    """Refusals below this address are told in another form: that of clients which were not made for this API."""
    _dialects[prefix] = dialect


def problem_response(request: HttpRequest, error: RegistryError) -> HttpResponse:
    """The same as a finished answer."""
    dialect = next((one for prefix, one in _dialects.items() if request.path.startswith(prefix)), None)
    status, body = dialect(error) if dialect else (error.status, error.to_problem(request_id_of(request)))
    text = json.dumps(body, ensure_ascii=False)
    response = HttpResponse(text, status=status, content_type="application/json" if dialect else PROBLEM)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="greenroom"'
    for name, value in error.waiting.items():
        response[name] = value
    response["Cache-Control"] = "no-store"
    return response


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's hook: every exception that is an answer becomes a problem, None leaves a bug to Django."""
    set_rollback()
    error = as_registry_error(exc)
    if error is None:
        return None
    request = context["request"]
    note_refusal(request._request, error, getattr(request, "_auth", None))
    response = problem_response(request._request, error)
    if isinstance(exc, exceptions.MethodNotAllowed):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def as_registry_error(exc: Exception) -> RegistryError | None:
    """Our kind of error for what Django, DRF and the database raise; None for bugs."""
    if isinstance(exc, RegistryError):
        return exc
    if isinstance(exc, Http404):
        return NotFound("not_found", "There is nothing at this address, or this key may not see it.")
    if isinstance(exc, PermissionDenied | exceptions.PermissionDenied):
        return Forbidden("csrf.failed", "Send the CSRF token of your session in X-CSRFToken.")
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return Unauthenticated("unauthenticated", "Send `Authorization: Bearer gr_…`, or sign in.")
    if isinstance(exc, exceptions.ValidationError):
        return Invalid("invalid", "Some fields were refused.", errors=list(islice(field_errors(exc.detail), REPORTED)))
    if isinstance(exc, exceptions.APIException):
        return _plain(exc)
    if isinstance(exc, OperationalError):
        return database_trouble(exc)
    return None


def database_trouble(error: OperationalError) -> Unavailable:
    """What is said of a database that is away, or that has no room left; the log has its own words."""
    log.warning("database.unavailable", error=str(error).splitlines()[0] if str(error) else "")
    if isinstance(error.__cause__, DiskFull):
        full = "The database has no room left, so nothing can be saved; what is live is still served."
        return Unavailable("database.full", full, retry_after=30)
    return Unavailable("database.unavailable", "The database does not answer: try again in a moment.", retry_after=2)


def field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """DRF's nested error detail one by one, with paths such as `cases[2].key`."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            if isinstance(key, int):
                yield from field_errors(value, f"{path}[{key}]")
                continue
            here = "" if key == "non_field_errors" else str(key)
            yield from field_errors(value, f"{path}.{here}" if path and here else path or here)
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from field_errors(value, f"{path}[{index}]" if nested else path)
    else:
        yield FieldError(path, getattr(detail, "code", "invalid"), str(detail))


def _plain(exc: exceptions.APIException) -> RegistryError:
    kind = type("HttpError", (RegistryError,), {"status": exc.status_code, "title": HTTPStatus(exc.status_code).phrase})
    error: RegistryError = kind(str(exc.default_code), str(exc.detail))
    return error
