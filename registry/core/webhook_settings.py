"""What a person says of a webhook endpoint: read from JSON, checked, as one plain value. Pure."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from registry.core import signing
from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes
from registry.core.outbound import MOST_CHARACTERS, OutboundError, check_url

FORMATS = ("event", "text")
MOST_NAME = 120


@dataclass(frozen=True)
class WebhookSettings:
    """All of an endpoint but its secret. No `events` or `environments` are all of them."""

    name: str = ""
    url: str = ""
    events: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    format: str = "event"
    with_content: bool = False
    is_active: bool = True


@dataclass(frozen=True)
class WebhookInput:
    """Settings and, where one was sent, a secret; None keeps the stored one, or makes one for a new endpoint."""

    settings: WebhookSettings
    secret: str | None = field(repr=False)


def parse_webhook(
    data: JSON,
    *,
    base: WebhookSettings | None = None,
    allow: AbstractSet[str],
    events: Collection[str],
    environments: Collection[str],
) -> WebhookInput:
    """A body of `POST` (without `base`) or `PATCH` (over `base`) of `/webhooks`; raises Invalid naming every mistake."""
    errors: list[FieldError] = []
    given = Fields(data, errors)
    before = base or WebhookSettings()
    if base is None:
        given.require("url")
    url = _url(given, before.url, allow)
    name = given.text("name", before.name, most=MOST_NAME)
    if not name.isprintable():
        given.refuse("name", "format", "must be printable")
    settings = replace(
        before,
        url=url,
        name=name.strip() or host_of(url),
        events=_chosen(given, "events", before.events, events),
        environments=_chosen(given, "environments", before.environments, environments),
        format=given.choice("format", before.format, FORMATS),
        with_content=given.boolean("with_content", before.with_content),
        is_active=given.boolean("is_active", before.is_active),
    )
    secret = given.text("secret", None, most=200)
    if secret is not None and not signing.is_secret(secret):
        given.refuse("secret", "format", "must be whsec_ and 24 to 64 bytes in base64")
    given.close()
    refuse_mistakes("webhook.invalid", "The endpoint's settings are not acceptable.", errors)
    return WebhookInput(settings, secret)


def host_of(url: str) -> str:
    """The host and port of a URL: what of it may be shown where the whole is a secret, as with chat tools."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


def _url(given: Fields, before: str, allow: AbstractSet[str]) -> str:
    url = given.text("url", before, least=1, most=MOST_CHARACTERS)
    if url != before:
        try:
            check_url(url, allow=allow, with_query=True)
        except OutboundError as error:
            given.refuse("url", "address", str(error))
    return url


def _chosen(given: Fields, key: str, before: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    if not given.has(key):
        return before
    names = given.items(key, most=200)
    strange = [str(name) for name in names if not isinstance(name, str) or (name not in known and name not in before)]
    if strange:
        given.refuse(key, "choice", f"there is no {strange[0][:64]!r}")
    return tuple(sorted({str(name) for name in names}))
