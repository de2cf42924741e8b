"""OpenID Connect, as a relying party: the authorization code flow with state, nonce and PKCE, over guarded connections."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

import jwt
from django.conf import settings

from registry.core.canonical import JSON, is_storable
from registry.core.errors import Unauthenticated, Unavailable
from registry.core.fetching import FetchError, get_json, post_form
from registry.core.outbound import OutboundError

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
LEEWAY_S, KNOWN_FOR_S = 60, 600
LONGEST_NAME, LONGEST_EMAIL, LONGEST_SUBJECT = 120, 254, 255  # as they are kept
REFUSED = "The sign-in did not work out at your organisation's server. Try again."


@dataclass(frozen=True)
class Journey:
    """What is kept here while somebody is at the provider; `is_again` asks it to make sure of them anew."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    is_again: bool = False

    @classmethod
    def begin(cls, *, is_again: bool = False) -> "Journey":
        """Fresh random values of 256 bits each."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, is_again)


@dataclass(frozen=True)
class Claims:
    """Who somebody is, by a token that was checked; `proved_at`, in seconds since the epoch, is when they last proved it to
    the provider, as far as it says so."""

    issuer: str
    subject: str
    email: str
    name: str
    groups: frozenset[str]
    proved_at: float | None = None


_known: dict[str, tuple[float, dict[str, JSON]]] = {}


def authorization_url(journey: Journey, *, back: str) -> str:
    """Where the browser goes; raises Unavailable while the provider does not answer."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(journey.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": settings.OIDC_CLIENT_ID,
        "redirect_uri": back,
        "scope": "openid email profile",
        "state": journey.state,
        "nonce": journey.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"prompt": "login", "max_age": "0"} if journey.is_again else {}),
    }
    return f"{_endpoint('authorization_endpoint')}?{urlencode(query)}"


def claims_of(code: str, journey: Journey, *, back: str) -> Claims:
    """Exchange the code and check the token it gives; raises Unauthenticated or Unavailable."""
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "code_verifier": journey.verifier,
    }
    pair = f"{quote(settings.OIDC_CLIENT_ID, safe='')}:{quote(settings.OIDC_CLIENT_SECRET, safe='')}"
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    base, path = _split(_endpoint("token_endpoint"))
    try:
        answer = post_form(base, path, fields, headers=headers, allow=settings.OUTBOUND_ALLOW)
    except FetchError as error:
        if 400 <= error.status < 500:
            raise Unauthenticated("session.refused", REFUSED) from None
        raise _unavailable() from None
    except OutboundError:
        raise _unavailable() from None
    token = answer.get("id_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        raise Unauthenticated("session.refused", REFUSED)
    return _checked(token, journey)


def _checked(token: str, journey: Journey) -> Claims:
    try:
        found = jwt.decode(
            token,
            _key_of(token),
            algorithms=ALGORITHMS,
            audience=settings.OIDC_CLIENT_ID,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError:
        raise Unauthenticated("session.refused", REFUSED) from None
    is_ours = (
        not isinstance(found["aud"], list) or len(found["aud"]) == 1 or found.get("azp") == settings.OIDC_CLIENT_ID
    )
    if not is_ours or not secrets.compare_digest(str(found.get("nonce", "")).encode(), journey.nonce.encode()):
        raise Unauthenticated("session.refused", REFUSED)
    email = found.get("email")
    if not isinstance(email, str) or found.get("email_verified") is not True:
        raise Unauthenticated(
            "session.refused", "Your organisation's server names no verified e-mail address of yours."
        )
    subject = str(found["sub"])
    if len(email) > LONGEST_EMAIL or len(subject) > LONGEST_SUBJECT or not is_storable(email + subject):
        raise Unauthenticated("session.refused", REFUSED)
    groups = found.get(settings.OIDC_ROLE_CLAIM, [])
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    name, proved_at = found.get("name"), found.get("auth_time")
    return Claims(
        issuer=settings.OIDC_ISSUER,
        subject=subject,
        email=email,
        name=name.strip()[:LONGEST_NAME] if isinstance(name, str) and name.isprintable() else "",
        groups=frozenset(one for one in listed if isinstance(one, str)),
        proved_at=float(proved_at) if isinstance(proved_at, int | float) else None,
    )


def _key_of(token: str) -> jwt.PyJWK:
    """The provider's key that signed the token; looked up again when it is new. Raises PyJWTError."""
    kid = jwt.get_unverified_header(token).get("kid")
    for is_fresh in (False, True):
        keys = jwt.PyJWKSet.from_dict(dict(_document(_endpoint("jwks_uri"), is_fresh=is_fresh))).keys
        found = [key for key in keys if kid is None or key.key_id == kid]
        if len(found) == 1:
            return found[0]
    raise jwt.InvalidKeyError("no such key")


def _endpoint(name: str) -> str:
    found = _document(f"{settings.OIDC_ISSUER}/.well-known/openid-configuration")
    address = found.get(name)
    if found.get("issuer") != settings.OIDC_ISSUER or not isinstance(address, str):
        raise _unavailable()
    return address


def _document(address: str, *, is_fresh: bool = False) -> Mapping[str, JSON]:
    """A JSON object of the provider, remembered by this process for ten minutes."""
    at, found = _known.get(address, (0.0, {}))
    if found and not is_fresh and time.monotonic() - at < KNOWN_FOR_S:
        return found
    base, path = _split(address)
    try:
        answer = get_json(base, path, headers={}, allow=settings.OUTBOUND_ALLOW)
    except (FetchError, OutboundError):
        raise _unavailable() from None
    if not isinstance(answer, dict):
        raise _unavailable()
    _known[address] = (time.monotonic(), answer)
    return answer


def _split(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}", f"{parts.path}?{parts.query}" if parts.query else parts.path


def _unavailable() -> Unavailable:
    return Unavailable("sso.unavailable", "Your organisation's sign-in does not answer: try again in a moment.")
