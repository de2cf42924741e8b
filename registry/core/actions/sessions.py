"""Signing in: by a one-time link, or by e-mail address and password."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from registry.core.errors import Unauthenticated
from registry.core.keys import hash_secret, new_link_token
from registry.core.limits import count
from registry.core.models import SignInLink, User

LINK_LIFETIME = timedelta(days=7)
ATTEMPTS_PER_MINUTE = 10
WRONG = "That is not right, or it was used before. Ask an admin for a new link if you cannot sign in."


def create_sign_in_link(user: User) -> str:
    """A one-time token for `user`, valid for a week; only its hash is kept."""
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


@transaction.atomic
def redeem_link(token: str, *, address: str) -> User:
    """Use a one-time token; exactly one of two concurrent uses succeeds. Raises Unauthenticated."""
    count(f"link:{address}", ATTEMPTS_PER_MINUTE * 6, fail_closed=True)
    link = _open_links(token).select_for_update(of=("self",)).select_related("user").first()
    if link is None or not link.user.is_active:
        raise Unauthenticated("session.refused", WRONG)
    SignInLink.objects.filter(pk=link.pk).update(used_at=Now())
    return link.user


def check_credentials(email: str, password: str, *, address: str) -> User:
    """The person with that password; the same answer, after the same work, for an unknown address. Raises Unauthenticated."""
    count(f"password:{email.lower()}", ATTEMPTS_PER_MINUTE, fail_closed=True)
    count(f"password:{address}", ATTEMPTS_PER_MINUTE * 6, fail_closed=True)
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None or not user.has_usable_password():
        make_password(password)
        raise Unauthenticated("session.refused", WRONG)
    if not check_password(password, user.password):
        raise Unauthenticated("session.refused", WRONG)
    return user


def _open_links(token: str) -> QuerySet[SignInLink]:
    return SignInLink.objects.filter(token_hash=hash_secret(token), used_at__isnull=True, expires_at__gt=Now())
