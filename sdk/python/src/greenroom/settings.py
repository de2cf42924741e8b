"""Where the server is and what opens it: `GREENROOM_URL` and `GREENROOM_KEY`, the key never on a command line."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from greenroom.errors import Misconfigured

API = "/api/v1"


@dataclass(frozen=True)
class Settings:
    """`url` is the server's root without a slash at its end; the key is in no `repr`."""

    url: str
    key: str = field(repr=False)

    @property
    def api(self) -> str:
        """The root of the API."""
        return f"{self.url}{API}"

    def page(self, path: str) -> str:
        """The whole address of a page that the server names by its path."""
        return f"{self.url}{path}" if path.startswith("/") else path


def read_settings(
    environ: Mapping[str, str] = os.environ, *, url: str = "", key: str = "", key_file: Path | None = None
) -> Settings:
    """What was given, else what the environment says; raises Misconfigured with what to do."""
    address = url or environ.get("GREENROOM_URL", "")
    if not address:
        raise Misconfigured("Set GREENROOM_URL to the server's address, such as https://prompts.example.com.")
    secret = _read_key(key_file) if key_file is not None else key or environ.get("GREENROOM_KEY", "")
    if not secret:
        raise Misconfigured("Set GREENROOM_KEY to an API key (gr_…), or name a file that holds one.")
    return Settings(_checked_address(address), _checked_key(secret))


def _read_key(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Misconfigured(f"The key file {path} cannot be read: {reason}.") from None


def _checked_address(address: str) -> str:
    root = address.strip().rstrip("/").removesuffix(API).rstrip("/")
    try:
        parts = urlsplit(root)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address or parts.username or parts.query or parts.fragment or not root.isprintable() or " " in root:
        raise Misconfigured("GREENROOM_URL must be an http(s) address without user name, query or fragment.")
    return root


def _checked_key(key: str) -> str:
    """A key goes into a header: nothing but visible ASCII. The key itself is not repeated."""
    secret = key.strip()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Misconfigured("The API key holds characters that no key has: was it copied whole, and nothing else?")
    return secret
