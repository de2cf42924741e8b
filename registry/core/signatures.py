"""Documents that leave the database and are believed later: signed with Ed25519 under a key derived from SECRET_KEY.

Whoever holds the public key alone can check them; whoever holds the database alone cannot make them.
"""

import functools
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from registry.core.canonical import JSON, canonical_json

_PURPOSE = b"greenroom signed documents v1"


class NotSigned(ValueError):
    """The text is no document signed by whom it should be; the text of the error is one line to show."""


@dataclass(frozen=True)
class Signed:
    """A document whose signature holds."""

    document: dict[str, JSON]
    public_key: str


def public_key() -> str:
    """This registry's public key, as 64 hex digits: for whoever keeps signed documents elsewhere."""
    return _private_key(settings.SECRET_KEY).public_key().public_bytes_raw().hex()


def sign(document: dict[str, JSON]) -> str:
    """The document as JSON text with its signature beside it."""
    signature = _private_key(settings.SECRET_KEY).sign(canonical_json(document).encode()).hex()
    return json.dumps({"signed": document, "public_key": public_key(), "signature": signature}, indent=1) + "\n"


def read_signed(text: str, *, by: str = "") -> Signed:
    """The document, if this registry signed it, or whoever has the public key `by`. Raises NotSigned."""
    try:
        envelope = json.loads(text)
        document, key, signature = envelope["signed"], str(envelope["public_key"]), bytes.fromhex(envelope["signature"])
        canonical = canonical_json(document).encode()
        verifier = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    except (ValueError, KeyError, TypeError):
        raise NotSigned("this is no signed document of Greenroom") from None
    if key not in {public_key(), by}:
        raise NotSigned(f"signed by {key}, which is not the key of this registry")
    try:
        verifier.verify(signature, canonical)
    except InvalidSignature:
        raise NotSigned("its signature does not hold: it was changed after it was signed") from None
    return Signed(document, key)


@functools.lru_cache(maxsize=2)
def _private_key(secret: str) -> Ed25519PrivateKey:
    seed = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)
