"""A browser's session: begun under a new id, noted for its owner, ended when it rests too long or has lasted long enough."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from registry.core.actions.sessions import note_seen, note_session
from registry.core.models import User
from registry.core.oidc import Claims
from registry.core.sign_in_limits import know_browser
from registry.core.web import address_of, is_use

type Handler = Callable[[HttpRequest], HttpResponseBase]

SEEN, SIGNED_IN, CONFIRMED = "seen", "signed_in", "confirmed"
HALF_WAY, JOURNEY = "half_way", "journey"
BY_LINK = "by_link"
MOST_IDLE, LONGEST = timedelta(days=3), timedelta(days=14)
NOTE_EVERY = timedelta(minutes=5)
CONFIRMED_FOR = timedelta(minutes=15)
HALF_WAY_FOR = JOURNEY_FOR = timedelta(minutes=10)
BROWSER_KNOWN_S = 365 * 24 * 3600


@dataclass(frozen=True)
class Waiting:
    """Somebody between the two factors: who, where they were going, and what single sign-on said of them, if it is to be
    kept."""

    user: User
    onward: str
    claims: Claims | None = None


def sign_in_here(request: HttpRequest, user: User, *, proved_at: float | None = None) -> None:
    """Sign somebody in, in this browser; its session gets a new id.

    `proved_at`, in seconds since the epoch, is when they said who they are where that was not just now.
    """
    request.session.pop(HALF_WAY, None)
    login(request, user)
    now = timezone.now().timestamp()
    request.session[SEEN] = request.session[SIGNED_IN] = now
    request.session[CONFIRMED] = now if proved_at is None else min(proved_at, now)
    request.session.save()
    agent = request.headers.get("User-Agent", "")
    note_session(user, str(request.session.session_key), address=address_of(request), agent=agent)


def wait_for_factor(request: HttpRequest, user: User, *, onward: str, claims: Claims | None = None) -> None:
    """The first factor was right; the second one is asked for before there is a session of theirs. `claims` are of single
    sign-on where the account is not known to it yet.

    Whoever is signed in here is no longer: under another id their session would be in nobody's list.
    """
    request.session.flush()
    request.session[HALF_WAY] = {
        "user": user.pk,
        "stands_for": user.get_session_auth_hash(),
        "at": timezone.now().timestamp(),
        "onward": onward,
        "claims": {**asdict(claims), "groups": sorted(claims.groups)} if claims else None,
    }


def who_waits(request: HttpRequest) -> Waiting | None:
    """Whose second factor is waited for here; None after ten minutes, after their password changed, or for nobody."""
    waiting = request.session.get(HALF_WAY)
    if not waiting or timezone.now().timestamp() - waiting["at"] > HALF_WAY_FOR.total_seconds():
        return None
    user, kept = User.objects.filter(pk=waiting["user"], is_active=True).first(), waiting.get("claims")
    if user is None or not constant_time_compare(user.get_session_auth_hash(), waiting.get("stands_for", "")):
        return None
    claims = Claims(**{**kept, "groups": frozenset(kept["groups"])}) if kept else None
    return Waiting(user, waiting["onward"], claims)


def keep_session(request: HttpRequest, user: User) -> None:
    """Stay signed in here after one's password changed, which ended every session of its person. The present password was
    given, which says who one is unless there is a second factor too."""
    update_session_auth_hash(request, user)
    if not user.has_second_factor:
        confirm_here(request)
    request.session.save()
    agent = request.headers.get("User-Agent", "")
    note_session(user, str(request.session.session_key), address=address_of(request), agent=agent)


def confirm_here(request: HttpRequest) -> None:
    """The person said again who they are: for fifteen minutes they are not asked."""
    request.session[CONFIRMED] = timezone.now().timestamp()


def is_confirmed(request: HttpRequest) -> bool:
    """Whether they signed in, or said again who they are, within the last fifteen minutes."""
    at = request.session.get(CONFIRMED, 0)
    return 0 <= timezone.now().timestamp() - float(at) <= CONFIRMED_FOR.total_seconds()


def note_link(request: HttpRequest) -> None:
    """This session began by a link, which is used up."""
    request.session[BY_LINK] = True


def lacks_way_back(request: HttpRequest, user: User) -> bool:
    """Whether somebody came by a link, has no password for the next time, and can choose one now."""
    return bool(request.session.get(BY_LINK)) and not user.has_usable_password() and is_confirmed(request)


def remember_browser(answer: HttpResponse, user: User) -> None:
    """Let this browser be known the next time: strangers who guess at the account then do not slow its owner down."""
    answer.set_cookie(
        settings.BROWSER_COOKIE_NAME,
        know_browser(user.email),
        max_age=BROWSER_KNOWN_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def browser_of(request: HttpRequest) -> str:
    """What this browser kept of an earlier sign-in; empty without."""
    return request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "")


class SessionLimitMiddleware:
    """Ends a session that rested for three days, or that began fourteen days ago however much it is used.

    Most requests write nothing: use is noted every five minutes. What an open page asks by itself is no use.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        seen = request.session.get(SEEN) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if seen is not None:
            now = timezone.now().timestamp()
            rested, lasted = now - seen, now - request.session.get(SIGNED_IN, seen)
            if rested > MOST_IDLE.total_seconds() or lasted > LONGEST.total_seconds():
                logout(request)
            elif rested > NOTE_EVERY.total_seconds() and is_use(request):
                request.session[SEEN] = now
                note_seen(str(request.session.session_key))
        return self.get_response(request)
