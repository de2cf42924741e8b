"""Where e-mail goes, read from one address."""

from typing import Any
from urllib.parse import unquote, urlsplit

BACKENDS = "django.core.mail.backends"


def mailer(url: str, *, timeout: int) -> dict[str, Any]:
    """The mailer that an EMAIL_URL names; raises ValueError for one that names none."""
    parts = urlsplit(url)
    if parts.scheme == "consolemail":
        return {"BACKEND": f"{BACKENDS}.console.EmailBackend"}
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError(f"EMAIL_URL begins with {parts.scheme}: use consolemail://, smtp://host or smtps://host")
    is_tls = parts.scheme == "smtps"
    options = {
        "host": parts.hostname,
        "port": parts.port or (465 if is_tls else 587),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_ssl": is_tls,
        "use_tls": not is_tls and bool(parts.username),
        "timeout": timeout,
    }
    return {"BACKEND": f"{BACKENDS}.smtp.EmailBackend", "OPTIONS": options}
