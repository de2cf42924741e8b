"""What surrounds every request: an id, a body limit, and errors in the form the caller reads."""

import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import UnreadablePostError
from django.middleware.gzip import GZipMiddleware

from registry.core import metrics, tracing
from registry.core.api.problems import database_trouble
from registry.core.errors import NotFound, RegistryError, TooLarge
from registry.core.refusals import route_of
from registry.core.views.confirming import answer_confirmation
from registry.core.views.errors import answer_error
from registry.core.web import REQUEST_ID, is_api, sent_in_clear

type Handler = Callable[[HttpRequest], HttpResponseBase]

log = structlog.get_logger(__name__)

MEGABYTE = 1024 * 1024
# What clients make up must not become a label.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestIdMiddleware:
    """Gives each request an id (the caller's, when it is well-formed), on its logs and on its answer."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


class TracingMiddleware:
    """Makes each request a span, by its route; a caller that traces goes on with its own trace."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        method = request.method if request.method in METHODS else "_OTHER"
        attributes = {"http.request.method": method or "_OTHER"}
        given = request.headers.get(tracing.PARENT, "")
        with tracing.span(str(method), attributes, kind="SERVER", parent=given) as span:
            response = self.get_response(request)
            span.note({"http.response.status_code": response.status_code})
            if route := route_of(request):
                span.name(f"{method} {route}")
                span.note({"http.route": route})
            if response.status_code >= 500:
                span.fail(str(response.status_code))
        return response


class RequestMetricsMiddleware:
    """Counts what was answered and how long it took."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = self.get_response(request)
        surface = "api" if is_api(request) else "page"
        method = request.method if request.method in METHODS else "other"
        metrics.requests.note(surface, method or "other", response.status_code, time.perf_counter() - began)
        return response


class PlainHttpMiddleware:
    """Refuses the API over plain http where people use https."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.IS_HTTPS and is_api(request) and not request.is_secure():
            return answer_error(request, sent_in_clear())
        return self.get_response(request)


class PageCompressionMiddleware(GZipMiddleware):
    """Compresses pages, which say much twice; what programs read keeps its bytes and its strong ETag.

    Lengths tell nothing of secrets in them: Django adds random bytes, and masks the CSRF token anew each time.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The answer, compressed where it is a page and the browser takes that."""
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response


class BodyLimitMiddleware:
    """Answers 413 before anything is parsed: 2 MB, more where a prompt or an import may be large.

    The declared length counts; a body without one has been read already, up to what any route takes.
    """

    LARGE = (
        ("/versions", 8),
        ("/v2/prompts", 8),
        ("/traces", 8),
        ("/ingestion", 8),
        ("/preview", 8),
        ("/render", 8),
        ("/import", 10),
        ("/import/bundle", 10),
        ("/import/prompty", 10),
        ("/edit", 8),
        ("/draft", 8),
        ("/drafts/mine", 8),
        ("/drafts/try", 8),
        ("/drafts/try/run", 8),
        ("/drafts/try/add", 8),
    )

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        limit = next((size for suffix, size in self.LARGE if request.path.endswith(suffix)), 2) * MEGABYTE
        length = self._length(request)
        if length > limit:
            error = TooLarge("body.too_large", f"The body has {length} bytes; this route takes {limit}.")
            return answer_error(request, error)
        return self.get_response(request)

    def _length(self, request: HttpRequest) -> int:
        declared = request.META.get("CONTENT_LENGTH") or ""
        if declared.isdecimal():
            return int(declared)
        return len(request.body) if request.method in {"POST", "PUT", "PATCH"} else 0


class SessionReadMiddleware:
    """Reads the session of a signed-in person first, so that a database that is away is said once and in good order."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            try:
                request.session.keys()
            except OperationalError as error:
                return answer_error(request, database_trouble(error))
        return self.get_response(request)


class ConfirmationMiddleware:
    """Where a form comes with the answer to "who are you?", looks at that first; the rest of the form goes on its way."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        """The question again where the answer was wrong; None lets the request pass."""
        return answer_confirmation(request)


class RegistryErrorMiddleware:
    """Turns a RegistryError raised by a view into a page or a problem; everything unexpected is logged and answered 500."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for the exceptions that are an answer; None leaves the rest to Django's 500."""
        if isinstance(exception, RegistryError):
            return answer_error(request, exception)
        if isinstance(exception, OperationalError):
            return answer_error(request, database_trouble(exception))
        if isinstance(exception, Http404):
            return answer_error(request, NotFound("not_found", "There is nothing at this address."))
        if isinstance(exception, RequestDataTooBig | UnreadablePostError):
            return answer_error(request, TooLarge("body.too_large", "The body is larger than this route takes."))
        log.exception("request.failed", route=route_of(request))
        return None
