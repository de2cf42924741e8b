"""Deploy checks: production refuses to start in an unsafe shape, and says what to set."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from registry.core.secrets import is_key

MIN_SECRET_LENGTH = 50


@register(Tags.security)
def production_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Errors stop every command of a production server; the two-roles remark is a warning."""
    if not settings.IS_PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < MIN_SECRET_LENGTH or "insecure" in settings.SECRET_KEY:
        found.append(
            Error("SECRET_KEY is short or a sample.", hint="Set 50 or more random characters.", id="greenroom.E001")
        )
    if not settings.ENCRYPTION_KEYS:
        found.append(Error("ENCRYPTION_KEYS is empty.", hint="Set at least one Fernet key.", id="greenroom.E002"))
    elif not all(map(is_key, settings.ENCRYPTION_KEYS)):
        hint = "A Fernet key is 32 random bytes in URL-safe Base64; .env.example says how to make one."
        found.append(Error("ENCRYPTION_KEYS holds something that is no key.", hint=hint, id="greenroom.E005"))
    if urlsplit(settings.PUBLIC_URL).scheme != "https":
        found.append(
            Error(
                "PUBLIC_URL is not https.", hint="Serve people over TLS; set PUBLIC_URL=https://…", id="greenroom.E003"
            )
        )
    if settings.FAILPOINT:
        found.append(
            Error("FAILPOINT is set.", hint="It ends processes on purpose: leave it to the tests.", id="greenroom.E004")
        )
    if not settings.DATABASE_HAS_TWO_ROLES:
        hint = "Set DATABASE_OWNER_URL to another role: with one role, code that goes wrong could drop the triggers that keep history."
        found.append(Warning("One database role both migrates and serves.", hint=hint, id="greenroom.W001"))
    return found


def refuse_unsafe_start() -> None:
    """Raise ImproperlyConfigured for what a production server must not start with; every process asks at start."""
    errors = [f"{message.msg} {message.hint}" for message in production_settings() if isinstance(message, Error)]
    if errors:
        raise ImproperlyConfigured("Greenroom refuses to start in production: " + " ".join(errors))
