"""Who calls the API: a key, or a signed-in person's session with the CSRF token on writes."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from registry.core.actor import Actor
from registry.core.errors import Forbidden, NotFound, Unauthenticated
from registry.core.identity import actor_of_key, actor_of_member, memberships
from registry.core.limits import count
from registry.core.models import User
from registry.core.sign_in_limits import network_of
from registry.core.signing_in import is_confirmed
from registry.core.web import address_of, request_id_of

if TYPE_CHECKING:
    from rest_framework.views import APIView


UNUSABLE_KEYS_PER_MINUTE = 600


class RegistryAuthentication(BaseAuthentication):
    """`request.auth` becomes the Actor. With an `Authorization` header cookies are ignored."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        """The caller, or None when there are no credentials at all. Raises Unauthenticated or NotFound (workspace)."""
        origin = {"request_id": request_id_of(request._request), "address": address_of(request._request)}
        if "Authorization" in request.headers:
            return None, _actor_of_key(request.headers["Authorization"], **origin)
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active:
            return None
        require_csrf(request)
        slug = request.headers.get("X-Workspace", "")
        return user, actor_of_session(user, slug, **origin, is_confirmed=is_confirmed(request._request))

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="greenroom"'


def _actor_of_key(authorization: str, **origin: str) -> Actor:
    """The actor; an address that sends one unusable key after the other is told to stop, by TooManyRequests."""
    try:
        return actor_of_key(authorization, **origin)
    except Unauthenticated:
        count(f"unusable:{network_of(origin['address'])}", UNUSABLE_KEYS_PER_MINUTE)
        raise


def refuse_other_sites(request: Request) -> None:
    """Raise Forbidden for what a page of another site sends: browsers say in Origin whose page it is."""
    origin = request.headers.get("Origin", "")
    if origin and origin not in settings.CSRF_TRUSTED_ORIGINS:
        own = urlsplit(settings.PUBLIC_URL).netloc
        raise Forbidden("origin.unknown", f"Pages of other sites may not ask here, only those of {own}.")


def require_csrf(request: Request) -> None:
    """Raise PermissionDenied for a write without the CSRF token of its session."""
    # Of Django's request, not of DRF's: that one would parse the body before anybody is known.
    SessionAuthentication().enforce_csrf(request._request)  # type: ignore[arg-type]


def actor_of_session(
    user: User, slug: str, *, request_id: str = "", address: str = "", is_confirmed: bool = False
) -> Actor:
    """The person's actor in the workspace named, or in their only one; raises NotFound naming what to send."""
    mine = [member for member in memberships(user) if not slug or member.workspace.slug == slug]
    if len(mine) != 1:
        raise NotFound("workspace.not_found", "Name one of your workspaces in the header X-Workspace.")
    return actor_of_member(mine[0], request_id=request_id, address=address, is_confirmed=is_confirmed)


class HasActor(BasePermission):
    """Every route but the public ones needs a caller; what the caller may do is the action's question."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """True with an actor; raises Unauthenticated otherwise."""
        if isinstance(request.auth, Actor):
            return True
        raise Unauthenticated("unauthenticated", "Send `Authorization: Bearer gr_…`, or sign in.")
