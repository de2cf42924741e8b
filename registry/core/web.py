"""HTTP helpers shared by pages and the API: who is calling, from where, and under which request id."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_htmx.middleware import HtmxDetails

from registry.core.actor import Actor
from registry.core.errors import Forbidden
from registry.core.models import Member, User, Workspace

# Of a run and of several at once; a prompt, a suite or an environment may be called so.
LOOKED_AT_AGAIN = re.compile(r"/w/[^/]+/runs/.+/(events|progress)")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class PageRequest(HttpRequest):
    """A request of a signed-in person inside a workspace, as page views see it."""

    htmx: HtmxDetails
    request_id: str
    user: User
    actor: Actor
    memberships: list[Member]
    member: Member
    workspace: Workspace


def only_read[View: Callable[..., HttpResponse]](view: View) -> View:
    """A view for everybody that changes nothing: any other method is 405, before a token is asked for."""
    return csrf_exempt(require_safe(view))


def request_id_of(request: HttpRequest) -> str:
    """The id that every log line, audit row and error of this request carries."""
    return str(getattr(request, "request_id", ""))


def address_of(request: HttpRequest) -> str:
    """The caller's address: the peer's, or what a trusted proxy says (`registry.core.proxies`)."""
    return str(request.META.get("REMOTE_ADDR", ""))


def is_by_itself(request: HttpRequest) -> bool:
    """Whether an open page asks this on its own, for nobody has pressed anything: such an address says `watch`."""
    return request.method == "GET" and "watch" in request.GET


def is_use(request: HttpRequest) -> bool:
    """Whether somebody does something here: what an open page asks on its own is none, whether it watches for news or looks
    again at what moves (its address says `moving`, or is one that nothing else asks)."""
    looks_again = "moving" in request.GET or LOOKED_AT_AGAIN.fullmatch(request.path) is not None
    return not is_by_itself(request) and not (request.method == "GET" and looks_again)


def is_api(request: HttpRequest) -> bool:
    """Whether the answer to this request is JSON rather than a page."""
    return request.path.startswith("/api/") or request.path == "/mcp"


def sent_in_clear() -> Forbidden:
    """Why the API refuses plain http where people use https: a redirect would hide that a key was sent in clear."""
    detail = "Use https. A key that was sent over plain http must count as known to others: rotate it."
    return Forbidden("https.required", detail)
