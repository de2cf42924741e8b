"""Error pages, and the handlers Django calls for what no view raised."""

from urllib.parse import urlsplit, urlunsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import escape_leading_slashes, url_has_allowed_host_and_scheme

from registry.core.api.problems import problem_response
from registry.core.errors import ConfirmationNeeded, Forbidden, NotFound, RegistryError, ServerError
from registry.core.models import Member, User
from registry.core.people_queries import listed, people_of
from registry.core.permissions import Permission
from registry.core.refusals import note_refusal
from registry.core.views.confirming import confirmation_page
from registry.core.web import is_api, request_id_of

HINTS = {
    403: "Nothing was changed.",
    404: "It may have another name, belong to a workspace you are not in, or never have been.",
    409: "Somebody was faster, or it is in another state than this page showed. Load the page again and look.",
    429: "Wait a moment, then try again.",
    500: "Nothing of what you sent is half done. Trying again is safe.",
    503: "What services fetch is answered from memory meanwhile.",
}
NAMED = 3  # people that a refusal names


def error_page(request: HttpRequest, error: RegistryError) -> HttpResponse:
    """A page that says what happened, what to do, and the id to quote; a fragment of it for a fragment's request.

    From 500 on it is drawn without what pages read from the database, which may be what is down.
    """
    context = {
        "error": error,
        "status": error.status,
        "request_id": request_id_of(request),
        "hint": HINTS.get(error.status, ""),
        "who_may": _who_may(request, error),
        **_ways_on(request, error.status, error.code),
    }
    if error.status >= 500:
        response = HttpResponse(render_to_string("error.html", context), status=error.status)
    else:
        is_fragment = request.headers.get("HX-Request-Type") == "partial"
        name = "error.html#notice" if is_fragment else "error.html"
        response = render(request, name, context, status=error.status)
    for name, value in error.waiting.items():
        response[name] = value
    return response


def _who_may(request: HttpRequest, error: RegistryError) -> str:
    """The nearest people who may do it, for a member of their workspace; strangers are told of nobody. One query where it is
    a right that the member lacks."""
    member = getattr(request, "member", None)
    if not isinstance(error, Forbidden) or not error.needs or not isinstance(member, Member):
        return ""
    return listed(people_of(member.workspace_id).who_may(Permission(error.needs))[:NAMED])


def _ways_on(request: HttpRequest, status: int, code: str) -> dict[str, object]:
    """Where a reader can go from here: back to the page of the workspace they came from, the same address again, a search for
    its words, the workspace's first page."""
    workspace = getattr(request, "workspace", None)
    home = reverse("board", args=[workspace.slug]) if workspace is not None else "/"
    ways: dict[str, object] = {
        "back_url": _back(request, within=home),
        "can_retry": status >= 500 and request.method in {"GET", "HEAD"},
        "request_path": request.get_full_path(),
        "home_url": home,
    }
    if code == "actor.second_factor" and workspace is not None:
        ways["factor_url"] = reverse("settings_security", args=[workspace.slug])
    if status == NotFound.status and workspace is not None:
        ways["search_url"] = reverse("search", args=[workspace.slug])
        ways["looked_for"] = request.path.rstrip("/").rpartition("/")[2][:60]
    return ways


def _back(request: HttpRequest, *, within: str) -> str:
    """The page that led here, where it is one of ours below that path, and not this one; else empty."""
    came_from = urlsplit(request.headers.get("Referer", ""))
    path = escape_leading_slashes(came_from.path)  # two of them would lead to another host
    ours = url_has_allowed_host_and_scheme(came_from.geturl(), {request.get_host()}) and path.startswith(within)
    back = urlunsplit(("", "", path, came_from.query, "")) if ours else ""
    return back if back != request.get_full_path() else ""


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
    note_refusal(request, error)
    if is_api(request):
        return problem_response(request, error)
    user = getattr(request, "user", None)
    if isinstance(error, ConfirmationNeeded) and request.method == "POST" and isinstance(user, User):
        return confirmation_page(request, user)
    return error_page(request, error)
