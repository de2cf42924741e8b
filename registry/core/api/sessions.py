"""`/session`: a person signs in and out."""

from django.contrib.auth import SESSION_KEY, logout
from django.db import transaction
from django.http import HttpRequest
from django.middleware.csrf import get_token
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.core.actions.second_factors import check_factor
from registry.core.actions.sessions import check_credentials, redeem_link
from registry.core.api.authentication import refuse_other_sites, require_csrf
from registry.core.api.bodies import StrictSerializer, Text
from registry.core.api.views import RegistryView
from registry.core.errors import Invalid, Unauthenticated
from registry.core.models import User
from registry.core.signing_in import browser_of, sign_in_here
from registry.core.web import address_of

NEEDS_CODE = (
    "This person has a second factor: send a `code` too, of the authenticator app or a recovery code. A passkey answers "
    "to a browser only: sign in on the page /sign-in, whose session the API takes as well."
)


class SessionBody(StrictSerializer):
    """A one-time token, or an address and a password."""

    token = Text(required=False, max_length=200)
    email = Text(required=False, max_length=254)
    password = Text(required=False, max_length=1000)
    code = Text(required=False, max_length=40)


class SessionAnswer(serializers.Serializer[dict[str, str]]):
    """What later writes must send in `X-CSRFToken`."""

    csrf_token = serializers.CharField()


class SessionView(RegistryView):
    """Signing in needs neither key nor CSRF token: there is no session yet that could be abused. A page of another site may not
    sign its reader in here all the same, as somebody of its choice."""

    authentication_classes = []
    permission_classes = []
    is_change = False

    @extend_schema(request=SessionBody, responses=SessionAnswer)
    def post(self, request: Request) -> Response:
        """Sign in, by a one-time token or by address and password, with a `code` where there is a second factor."""
        refuse_other_sites(request)
        given = self.body(SessionBody)
        code = given.pop("code", "")
        with transaction.atomic():  # a token is not used up by a code that is missing or wrong
            user = _who(request._request, given)
            if user.has_second_factor and not code:
                raise Unauthenticated("session.second_factor", NEEDS_CODE)
            if user.has_second_factor:
                check_factor(user, code, address=address_of(request._request))
        sign_in_here(request._request, user)
        return Response({"csrf_token": get_token(request._request)}, headers={"Cache-Control": "no-store"})

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        """Sign out; needs the CSRF token of the session, and no session is as good as one ended."""
        if SESSION_KEY in request._request.session:
            require_csrf(request)
            logout(request._request)
        return Response(status=204)


def _who(request: HttpRequest, given: dict[str, str]) -> User:
    """Whom the first factor is of."""
    address = address_of(request)
    if set(given) == {"token"}:
        return redeem_link(given["token"], address=address)
    if set(given) == {"email", "password"}:
        return check_credentials(given["email"], given["password"], address=address, browser=browser_of(request))
    raise Invalid("session.invalid", "Send either `token`, or `email` and `password`.")
