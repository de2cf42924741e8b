"""Signing in at the organisation's own server and coming back."""

import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from registry.core.actions.single_sign_on import admit
from registry.core.errors import NotFound, Unauthenticated
from registry.core.oidc import REFUSED, Journey, authorization_url, claims_of
from registry.core.sign_in_limits import count_journey
from registry.core.signing_in import JOURNEY, JOURNEY_FOR
from registry.core.views.sessions import onward_of, signed_in
from registry.core.web import address_of


@never_cache
@require_safe
def sso(request: HttpRequest) -> HttpResponse:
    """On the way: only what this browser must bring back is kept. With `again` the server there asks anew who it is."""
    _require_configured()
    count_journey(address_of(request))
    journey = Journey.begin(is_again="again" in request.GET)
    request.session[JOURNEY] = {
        "state": journey.state,
        "nonce": journey.nonce,
        "verifier": journey.verifier,
        "is_again": journey.is_again,
        "onward": onward_of(request, request.GET.get("next", "")),
        "at": timezone.now().timestamp(),
    }
    return redirect(authorization_url(journey, back=_back()))


@never_cache
@require_safe
def sso_back(request: HttpRequest) -> HttpResponse:
    """Back again: once, in the browser that went, within ten minutes."""
    _require_configured()
    kept = request.session.pop(JOURNEY, None)
    state = request.GET.get("state", "")
    is_late = kept is None or timezone.now().timestamp() - kept["at"] > JOURNEY_FOR.total_seconds()
    if is_late or not secrets.compare_digest(state.encode(), kept["state"].encode()) or "code" not in request.GET:
        raise Unauthenticated("session.refused", REFUSED)
    journey = Journey(kept["state"], kept["nonce"], kept["verifier"], kept.get("is_again", False))
    claims = claims_of(request.GET["code"], journey, back=_back())
    arrived = admit(claims, address=address_of(request))
    proved_at = 0.0 if claims.proved_at is None and not journey.is_again else claims.proved_at
    return signed_in(
        request, arrived.user, kept["onward"], proved_at=proved_at, claims=None if arrived.is_tied else claims
    )


def _back() -> str:
    return f"{settings.PUBLIC_URL}{reverse('sso_back')}"


def _require_configured() -> None:
    if not settings.OIDC_ISSUER:
        raise NotFound("not_found", "There is nothing at this address.")
