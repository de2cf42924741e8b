"""What a browser was asked of a passkey: kept in its session, for one purpose of one person, for five minutes and one answer."""

import hashlib
from enum import StrEnum

from django.http import HttpRequest
from django.utils import timezone

from registry.core.limits import once
from registry.core.models import User
from registry.core.relying_party import TIMEOUT_S, Ceremony, decoded, encoded, new_ceremony

CEREMONY = "ceremony"


class Purpose(StrEnum):
    """What an answer will be good for, and nothing else."""

    SIGN_IN = "sign-in"
    CODE = "code"
    CONFIRM = "confirm"
    ADD = "add"


def begin_ceremony(request: HttpRequest, purpose: Purpose, *, user: User | None, handle: str = "") -> Ceremony:
    """Ask anew; what was asked before in this browser is forgotten. Without a `user` whoever answers is meant."""
    made = new_ceremony(handle=handle)
    request.session[CEREMONY] = {
        "purpose": purpose,
        "user": user.pk if user else 0,
        "challenge": encoded(made.challenge),
        "handle": made.handle,
        "at": timezone.now().timestamp(),
    }
    return made


def end_ceremony(request: HttpRequest, purpose: Purpose, *, user: User | None) -> Ceremony | None:
    """What this browser was asked, at its first answer; None where that was for something or somebody else, or too long ago.

    The session alone would let two answers at the same moment pass. Raises Unavailable without the counter.
    """
    kept = request.session.pop(CEREMONY, None)
    if not kept or (kept["purpose"], kept["user"]) != (purpose, user.pk if user else 0):
        return None
    if not 0 <= timezone.now().timestamp() - kept["at"] <= TIMEOUT_S:
        return None
    challenge = decoded(kept["challenge"])
    is_first = once(f"ceremony:{hashlib.sha256(challenge).hexdigest()}", for_s=2 * TIMEOUT_S)
    return Ceremony(challenge, kept["handle"]) if is_first else None
