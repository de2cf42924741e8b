"""`/session`: a person signs in and out."""

from django.contrib.auth import SESSION_KEY, logout
from django.middleware.csrf import get_token
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.core.actions.sessions import check_credentials, redeem_link
from registry.core.api.authentication import require_csrf
from registry.core.api.bodies import StrictSerializer, Text
from registry.core.api.views import RegistryView
from registry.core.errors import Invalid
from registry.core.signing_in import sign_in_here
from registry.core.web import address_of


class SessionBody(StrictSerializer):
    """A one-time token, or an address and a password."""

    token = Text(required=False, max_length=200)
    email = Text(required=False, max_length=254)
    password = Text(required=False, max_length=1000)


class SessionAnswer(serializers.Serializer[dict[str, str]]):
    """What later writes must send in `X-CSRFToken`."""

    csrf_token = serializers.CharField()


class SessionView(RegistryView):
    """Signing in needs neither key nor CSRF token: there is no session yet that could be abused."""

    authentication_classes = []
    permission_classes = []
    is_change = False

    @extend_schema(request=SessionBody, responses=SessionAnswer)
    def post(self, request: Request) -> Response:
        """Sign in, by a one-time token or by address and password; the answer sets the session's cookie."""
        given = self.body(SessionBody)
        address = address_of(request._request)
        if set(given) == {"token"}:
            user = redeem_link(given["token"], address=address)
        elif set(given) == {"email", "password"}:
            user = check_credentials(given["email"], given["password"], address=address)
        else:
            raise Invalid("session.invalid", "Send either `token`, or `email` and `password`.")
        sign_in_here(request._request, user)
        return Response({"csrf_token": get_token(request._request)}, headers={"Cache-Control": "no-store"})

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        """Sign out; needs the CSRF token of the session, and no session is as good as one ended."""
        if SESSION_KEY in request._request.session:
            require_csrf(request)
            logout(request._request)
        return Response(status=204)
