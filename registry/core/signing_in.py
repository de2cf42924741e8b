"""A browser's session: begun under a new id, noted for its owner, ended when it rests too long."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from registry.core.actions.sessions import note_seen, note_session
from registry.core.models import User
from registry.core.web import address_of

type Handler = Callable[[HttpRequest], HttpResponseBase]

SEEN = "seen"
MOST_IDLE = timedelta(days=3)
NOTE_EVERY = timedelta(minutes=5)


def sign_in_here(request: HttpRequest, user: User) -> None:
    """Sign somebody in, in this browser; its session gets a new id."""
    login(request, user)
    request.session[SEEN] = timezone.now().timestamp()
    request.session.save()
    agent = request.headers.get("User-Agent", "")
    note_session(user, str(request.session.session_key), address=address_of(request), agent=agent)


def keep_session(request: HttpRequest, user: User) -> None:
    """Stay signed in here after one's password changed, which ended every session of its person."""
    update_session_auth_hash(request, user)
    request.session.save()
    agent = request.headers.get("User-Agent", "")
    note_session(user, str(request.session.session_key), address=address_of(request), agent=agent)


class IdleSessionMiddleware:
    """Ends a session that rested for three days; the fourteen days after which any session ends are the cookie's own.

    Most requests write nothing: use is noted every five minutes.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        seen = request.session.get(SEEN) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if seen is not None:
            now = timezone.now().timestamp()
            if now - seen > MOST_IDLE.total_seconds():
                logout(request)
            elif now - seen > NOTE_EVERY.total_seconds():
                request.session[SEEN] = now
                note_seen(str(request.session.session_key))
        return self.get_response(request)
