"""How many tries at signing in there are in a minute: guessing is slow, and nobody can lock another person out.

An account is counted by the place a try comes from: an address, or a browser that signed in to the account before. What
strangers try from everywhere is counted together and more loosely; browsers that are known are no part of that.
"""

import ipaddress
import secrets

from django.core.signing import BadSignature, Signer

from registry.core.keys import hash_secret
from registry.core.limits import count

PER_PLACE, PER_ADDRESS, PER_ACCOUNT = 10, 60, 100
# Of all who share an address; each keeps a session of nobody here, and coming back asks the organisation's server.
JOURNEYS = 120


def count_password(email: str, *, address: str, browser: str) -> None:
    """Count one try at a password, whether or not there is such an account; raises TooManyRequests or Unavailable."""
    account, place = hash_secret(email.lower())[:32], network_of(address)
    known = _name_in(browser, email)
    if known:
        count(f"password:{account}:{known}", PER_PLACE, fail_closed=True)
        return
    count(f"password:{account}:{place}", PER_PLACE, fail_closed=True)
    count(f"password:{place}", PER_ADDRESS, fail_closed=True)
    count(f"password:{account}", PER_ACCOUNT, fail_closed=True)


def count_link(address: str) -> None:
    """Count one try at a one-time link; raises TooManyRequests or Unavailable."""
    count(f"link:{network_of(address)}", PER_ADDRESS, fail_closed=True)


def count_ceremony(address: str) -> None:
    """Count one time that a browser is asked for a passkey; raises TooManyRequests or Unavailable."""
    count(f"ceremony:{network_of(address)}", PER_ADDRESS, fail_closed=True)


def count_passkey(address: str) -> None:
    """Count one answer by a passkey of whomever; raises TooManyRequests or Unavailable."""
    count(f"passkey:{network_of(address)}", PER_ADDRESS, fail_closed=True)


def count_journey(address: str) -> None:
    """Count one time that somebody sets out to sign in elsewhere; raises TooManyRequests or Unavailable."""
    count(f"journey:{network_of(address)}", JOURNEYS, fail_closed=True)


def know_browser(email: str) -> str:
    """What a browser keeps to be known by this account later; it opens nothing."""
    return _signer(email).sign(secrets.token_urlsafe(16))


def network_of(address: str) -> str:
    """An address as it is counted: of IPv6 the first half, since whoever has one address there has them all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


def _name_in(browser: str, email: str) -> str:
    """The name under which the account knows a browser; empty for one it does not know."""
    try:
        return _signer(email).unsign(browser)
    except BadSignature:
        return ""


def _signer(email: str) -> Signer:
    return Signer(salt=f"greenroom.browser:{email.lower()}")
