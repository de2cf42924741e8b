"""Error pages, and the handlers Django calls for what no view raised."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from registry.core.api.problems import problem_response
from registry.core.errors import Forbidden, NotFound, RegistryError, ServerError
from registry.core.web import is_api, request_id_of


def error_page(request: HttpRequest, error: RegistryError) -> HttpResponse:
    """A page that says what happened, what to do, and the id to quote; a fragment of it for a fragment's request.

    From 500 on it is drawn without what pages read from the database, which may be what is down.
    """
    context = {"error": error, "status": error.status, "request_id": request_id_of(request)}
    if error.status >= 500:
        return HttpResponse(render_to_string("error.html", context), status=error.status)
    is_fragment = request.headers.get("HX-Request-Type") == "partial"
    return render(request, "error.html#notice" if is_fragment else "error.html", context, status=error.status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A write without the CSRF token."""
    error = Forbidden("csrf.failed", "The page was open for too long, or cookies are off: reload it and try again.")
    return answer_error(request, error)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No route has this path."""
    return answer_error(request, NotFound("not_found", "There is nothing at this address."))


def server_error(request: HttpRequest) -> HttpResponse:
    """A bug, or a part that is down; the log has the traceback under the request id."""
    return answer_error(
        request, ServerError("server.error", "Something failed here. The log has it under this request id.")
    )


def answer_error(request: HttpRequest, error: RegistryError) -> HttpResponse:
    """The refusal as the caller reads it: problem JSON under /api/, a page elsewhere."""
    return problem_response(request, error) if is_api(request) else error_page(request, error)
