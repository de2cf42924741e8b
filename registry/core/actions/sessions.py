"""Signing in: by a one-time link, or by e-mail address and password; and where one is signed in."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from registry.core import audit
from registry.core.actions.second_factors import check_factor
from registry.core.actor import Actor
from registry.core.errors import NotFound, Unauthenticated
from registry.core.keys import hash_secret, new_link_token
from registry.core.models import PersonSession, SignInLink, User
from registry.core.sign_in_limits import count_link, count_password

LINK_LIFETIME = timedelta(days=7)
WRONG = "That is not right; a code counts only once. Ask an admin for a new link if you cannot sign in."

log = structlog.get_logger(__name__)


def create_sign_in_link(user: User) -> str:
    """A one-time token for `user`, valid for a week, and the only one: those given out before end. Only its hash is kept."""
    SignInLink.objects.filter(user=user, used_at=None).update(used_at=Now())
    token = new_link_token()
    SignInLink.objects.create(user=user, token_hash=hash_secret(token), expires_at=Now() + LINK_LIFETIME)
    return token


def sign_in_address(token: str) -> str:
    """Where a one-time token is used; without one, where people sign in."""
    return f"{settings.PUBLIC_URL}/sign-in/{token}".rstrip("/")


def peek_link(token: str) -> User | None:
    """Whom a link would sign in, without using it; None when it is unknown, used or expired."""
    link = _open_links(token).select_related("user").first()
    return link.user if link else None


def has_open_link(user: User) -> bool:
    """Whether somebody holds a link that would sign them in."""
    return SignInLink.objects.filter(user=user, used_at__isnull=True, expires_at__gt=Now()).exists()


@transaction.atomic
def redeem_link(token: str, *, address: str) -> User:
    """Use a one-time token; exactly one of two concurrent uses succeeds. Raises Unauthenticated."""
    count_link(address)
    link = _open_links(token).select_for_update(of=("self",)).select_related("user").first()
    if link is None or not link.user.is_active:
        raise _refused("link", link.user if link else None, address)
    SignInLink.objects.filter(pk=link.pk).update(used_at=Now())
    return link.user


def check_credentials(email: str, password: str, *, address: str, browser: str = "") -> User:
    """The person with that password; the same answer, after the same work, for an unknown address. Raises Unauthenticated.

    `browser` is what `know_browser` gave to a browser that signed in before.
    """
    count_password(email, address=address, browser=browser)
    user = User.objects.by_address(email)
    if user is None or not user.is_active or not user.has_usable_password():
        make_password(password)
        raise _refused("password", user, address)
    if not check_password(password, user.password):
        raise _refused("password", user, address)
    return user


def confirm_person(user: User, password: str, code: str, *, address: str, browser: str = "") -> None:
    """Somebody who is signed in says again who they are, by all they have; raises Unauthenticated where that is not right."""
    if user.has_usable_password():
        check_credentials(user.email, password, address=address, browser=browser)
    if user.has_second_factor:
        check_factor(user, code, address=address)
    if not (user.has_usable_password() or user.has_second_factor):
        raise _refused("confirmation", user, address)
    log.info("sign_in.confirmed", user_id=user.pk, address=address)


def note_session(user: User, session_key: str, *, address: str, agent: str) -> None:
    """Remember where somebody signed in, so that they can see it and end it."""
    log.info("sign_in.accepted", user_id=user.pk, address=address)
    PersonSession.objects.update_or_create(
        session_key=session_key, defaults={"user": user, "address": address[:64], "agent": agent[:200]}
    )


def note_seen(session_key: str) -> None:
    """The session is in use."""
    PersonSession.objects.filter(session_key=session_key).update(last_seen_at=Now())


def sessions_of(user: User) -> list[PersonSession]:
    """Where somebody is signed in, the last used first; rows of sessions that are over go."""
    mine = PersonSession.objects.filter(user=user)
    living = Session.objects.filter(session_key__in=mine.values("session_key"), expire_date__gt=Now())
    mine.exclude(session_key__in=living.values("session_key")).delete()
    return list(mine.order_by("-last_seen_at"))


@transaction.atomic
def end_session(actor: Actor, user: User, pk: int) -> None:
    """End one of one's own sessions, wherever it is; raises NotFound."""
    row = PersonSession.objects.filter(user=user, pk=pk).first()
    if row is None:
        raise NotFound("session.not_found", "You have no such session.")
    _end(actor, user, [row.session_key], which=row.agent)


@transaction.atomic
def end_other_sessions(actor: Actor, user: User, *, but: str) -> int:
    """End all of one's sessions but that one; returns how many."""
    keys = list(PersonSession.objects.filter(user=user).exclude(session_key=but).values_list("session_key", flat=True))
    if keys:
        _end(actor, user, keys, which="all others")
    return len(keys)


def end_sessions(user: User) -> None:
    """End every session of a person, where theirs are known."""
    keys = list(PersonSession.objects.filter(user=user).values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    PersonSession.objects.filter(user=user).delete()


def _end(actor: Actor, user: User, keys: list[str], *, which: str) -> None:
    Session.objects.filter(session_key__in=keys).delete()
    PersonSession.objects.filter(session_key__in=keys).delete()
    audit.record(
        actor,
        "member.session_ended",
        subject_type="member",
        subject_id=actor.id,
        subject_name=user.email,
        detail={"sessions": len(keys), "which": which},
    )


def _refused(method: str, user: User | None, address: str) -> Unauthenticated:
    """The one answer; the log says for whom. What was typed as an address may be a password: it is not logged."""
    log.warning("sign_in.refused", method=method, user_id=user.pk if user else None, address=address)
    return Unauthenticated("session.refused", WRONG)


def _open_links(token: str) -> QuerySet[SignInLink]:
    return SignInLink.objects.filter(token_hash=hash_secret(token), used_at__isnull=True, expires_at__gt=Now())
