"""Deploy checks: production refuses to start in an unsafe shape, and says what to set."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from registry.core.models import AuditEvent
from registry.core.secrets import is_key

MIN_SECRET_LENGTH = 50
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@register(Tags.security)
def production_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """What stops every command of a production server."""
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
    return found


@register(Tags.security)
def plain_http(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """On a laptop plain http will do, for the laptop itself: cookies and keys go over it in clear."""
    public = urlsplit(settings.PUBLIC_URL)
    if settings.IS_PRODUCTION or public.scheme == "https" or public.hostname in LOOPBACK:
        return []
    hint = "Set PUBLIC_URL=http://127.0.0.1:8000, or serve people over TLS and set PUBLIC_URL=https://…"
    return [Error("PUBLIC_URL is plain http and not this machine itself.", hint=hint, id="greenroom.E006")]


@register(Tags.security, deploy=True)
def serving_role(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A warning where the role that serves could rewrite history; asks the database, and says so where it does not answer."""
    if not settings.IS_PRODUCTION:
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT has_table_privilege(oid, 'UPDATE') OR pg_has_role(relowner, 'USAGE') FROM pg_class WHERE relname = %s",
                [AuditEvent._meta.db_table],
            )
            row = cursor.fetchone()
    except DatabaseError as away:
        hint = f"Ask again once it does ({type(away).__name__})."
        return [Warning("The database does not say what its role may do.", hint=hint, id="greenroom.W002")]
    if row is None or not row[0]:
        return []
    hint = (
        "Give DATABASE_URL a role of its own: as it is, code that goes wrong could drop the triggers that keep history."
    )
    return [Warning("The database role that serves may rewrite history.", hint=hint, id="greenroom.W001")]


def refuse_unsafe_start() -> None:
    """Raise ImproperlyConfigured for what no server must start with, or none in production; every process asks at start."""
    found = [*production_settings(), *plain_http()]
    errors = [f"{message.msg} {message.hint}" for message in found if isinstance(message, Error)]
    if errors:
        where = " in production" if settings.IS_PRODUCTION else ""
        raise ImproperlyConfigured(f"Greenroom refuses to start{where}: " + " ".join(errors))
