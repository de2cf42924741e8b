"""Codes of authenticator apps (RFC 6238): six digits, SHA-1, 30 seconds, which is what every app makes."""

import base64
import hmac
import secrets
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_S, DIGITS, SECRET_BYTES = 30, 6, 20
ISSUER = "Greenroom"


def new_secret() -> str:
    """A fresh secret as apps take it: 32 characters of base32."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, step: int) -> str:
    """The code of one step of 30 seconds."""
    made = TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_S)  # noqa: S303
    return made.generate(step * STEP_S).decode()


def step_of(secret: str, code: str, *, at: float) -> int | None:
    """The step whose code this is, of the present one and its neighbours (clocks differ); None for a wrong code."""
    now, given = int(at) // STEP_S, "".join(code.split())
    found = (
        [step for step in (now - 1, now, now + 1) if hmac.compare_digest(code_at(secret, step), given)]
        if given.isascii()
        else []
    )
    return found[-1] if found else None


def provisioning_uri(secret: str, *, account: str) -> str:
    """The address that an app on the same device opens."""
    label = quote(f"{ISSUER}:{account}")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER})}"
