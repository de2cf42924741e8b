"""Secrets at rest: sealed with AES-GCM under keys that are not in the database, bound to the row they belong to.

The form is `v1.<key id>.<base64 of nonce and ciphertext>`. The first key of ENCRYPTION_KEYS seals, all of them open.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

from registry.core.errors import Unavailable

_FORM = "v1"
_NONCE_BYTES = 12


class SecretUnreadable(Unavailable):
    """The sealed secret cannot be opened with the keys this server has, or it was moved here from another row."""


def seal(secret: str, *, context: str) -> str:
    """Encrypt `secret` so that it opens only with the same `context`, such as `provider:17`. Unavailable without a key."""
    keys = _keys()
    if not keys:
        raise Unavailable("secrets.no_key", "Set ENCRYPTION_KEYS before storing secrets.")
    key_id, key = next(iter(keys.items()))
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, secret.encode(), context.encode())
    return f"{_FORM}.{key_id}.{base64.urlsafe_b64encode(sealed).decode()}"


def unseal(sealed: str, *, context: str) -> str:
    """The secret; raises SecretUnreadable naming the key id that is missing."""
    form, _, rest = sealed.partition(".")
    key_id, _, text = rest.partition(".")
    key = _keys().get(key_id)
    if form != _FORM or key is None:
        raise SecretUnreadable(
            "secrets.unknown_key",
            f"This secret is sealed with key {key_id or '?'}, which is not in ENCRYPTION_KEYS: add it, or enter the secret again.",
        )
    try:
        data = base64.urlsafe_b64decode(text)
        return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context.encode()).decode()
    except (InvalidTag, ValueError, binascii.Error):
        raise SecretUnreadable(
            "secrets.damaged", "This secret does not belong to this record or is damaged: enter it again."
        ) from None


def is_sealed_with_newest_key(sealed: str) -> bool:
    """False for secrets that a rotation has still to seal again."""
    return bool(_keys()) and sealed.split(".")[1:2] == [next(iter(_keys()))]


@dataclass(frozen=True)
class Sealed:
    """A column of sealed secrets, empty where there is none; `context` says what the secret of a row is bound to."""

    model: type[models.Model]
    column: str
    context: Callable[[Any], str]


_columns: list[Sealed] = []


def keep_in(model: type[models.Model], column: str, context: Callable[[Any], str]) -> None:
    """Let a rotation of keys find what is sealed there. Apps do this once, when they are ready."""
    _columns.append(Sealed(model, column, context))


def columns() -> tuple[Sealed, ...]:
    """Every place where sealed secrets are."""
    return tuple(_columns)


def key_ids() -> list[str]:
    """The ids of the keys this server has, the one that seals first."""
    return list(_keys())


def is_key(text: str) -> bool:
    """Whether a text is a key as ENCRYPTION_KEYS holds them: 32 bytes in URL-safe Base64."""
    try:
        return len(base64.urlsafe_b64decode(text)) == 32
    except ValueError:
        return False


def _keys() -> dict[str, bytes]:
    keys = {}
    for text in settings.ENCRYPTION_KEYS:
        key = base64.urlsafe_b64decode(text)
        keys[hashlib.sha256(key).hexdigest()[:8]] = key
    return keys
