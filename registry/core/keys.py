"""API keys: how they look, how they are checked. `gr_` + 12 characters of public id + 32 of secret + 6 of CRC32."""

import base64
import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

ALPHABET = string.digits + string.ascii_letters
PREFIX = "gr_"
ID_LENGTH, SECRET_LENGTH, CRC_LENGTH = 12, 32, 6  # 32 characters of 62 are 190 random bits
FORM = re.compile(rf"{PREFIX}[0-9a-zA-Z]{{{ID_LENGTH + SECRET_LENGTH + CRC_LENGTH}}}")


@dataclass(frozen=True)
class KeyToken:
    """A key in clear: held only while it is made or checked."""

    public_id: str
    secret: str = field(repr=False)

    @classmethod
    def generate(cls) -> "KeyToken":
        """A new random key."""
        return cls(_random(ID_LENGTH), _random(SECRET_LENGTH))

    @classmethod
    def parse(cls, token: str) -> "KeyToken | None":
        """Read the `gr_…` form; None when its form or its checksum is wrong."""
        if not FORM.fullmatch(token):
            return None
        body = token[len(PREFIX) :]
        key = cls(body[:ID_LENGTH], body[ID_LENGTH : ID_LENGTH + SECRET_LENGTH])
        return key if hmac.compare_digest(key.token, token) else None

    @classmethod
    def parse_basic(cls, credentials: str) -> "KeyToken | None":
        """Read the base64 of `pk-gr-…:sk-gr-…`, the form for clients that need a pair."""
        try:
            public, _, secret = base64.b64decode(credentials, validate=True).decode("ascii").partition(":")
        except ValueError:  # no Base64, no ASCII within, or no ASCII itself
            return None
        if not public.startswith("pk-gr-") or not secret.startswith("sk-gr-"):
            return None
        return cls.parse(PREFIX + public.removeprefix("pk-gr-") + secret.removeprefix("sk-gr-"))

    @property
    def token(self) -> str:
        """The whole key, as it is shown once."""
        return f"{PREFIX}{self.public_id}{self.secret}{self.checksum}"

    @property
    def checksum(self) -> str:
        """Six characters by which a mistyped key is told from an unknown one, without asking the database."""
        number, digits = zlib.crc32((self.public_id + self.secret).encode()), ""
        for _ in range(CRC_LENGTH):
            number, digit = divmod(number, len(ALPHABET))
            digits = ALPHABET[digit] + digits
        return digits

    @property
    def basic(self) -> tuple[str, str]:
        """The same key as a public and a secret part."""
        return f"pk-gr-{self.public_id}", f"sk-gr-{self.secret}{self.checksum}"

    @property
    def hash(self) -> str:
        """What is stored of the secret: 64 hex digits."""
        return hash_secret(self.secret)


def hash_secret(secret: str) -> str:
    """sha256 of a random secret; being random, it needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_link_token() -> str:
    """A fresh token for a one-time link."""
    return secrets.token_urlsafe(32)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
