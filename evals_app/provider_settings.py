"""What a person says of a provider: read from JSON, checked, as one plain value. Pure."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace

from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes
from registry.core.outbound import MOST_CHARACTERS, OutboundError, check_url

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
KEY = re.compile(r"[\x21-\x7e]*")
MOST_MODELS = 200


@dataclass(frozen=True)
class ProviderSettings:
    """All of a provider but its key. `fallback` is another provider's name or empty; None means no limit."""

    name: str = ""
    base_url: str = ""
    models: tuple[str, ...] = ()
    is_default: bool = False
    concurrency: int = 16
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_s: int = 60
    streams: bool = False
    fallback: str = ""

    def to_json(self) -> dict[str, JSON]:
        """The fields of the API, in its order."""
        values: dict[str, JSON] = {one.name: getattr(self, one.name) for one in fields(self)}
        values["models"] = list(self.models)
        values["fallback"] = self.fallback or None
        return {"default" if name == "is_default" else name: value for name, value in values.items()}


@dataclass(frozen=True)
class ProviderInput:
    """Settings and, where one was sent, a new key; None leaves the stored key as it is, empty removes it."""

    settings: ProviderSettings
    api_key: str | None = field(repr=False)


def parse_provider(data: JSON, *, base: ProviderSettings | None = None, allow: AbstractSet[str]) -> ProviderInput:
    """A body of `POST` (without `base`) or `PATCH /providers` (over `base`); raises Invalid naming every mistake."""
    errors: list[FieldError] = []
    given = Fields(data, errors)
    before = base or ProviderSettings()
    if base is None:
        for required in ("name", "base_url", "models"):
            given.require(required)
    elif given.has("name") and given.raw("name") != base.name:
        given.refuse("name", "permanent", "is permanent: versions and runs refer to it")
    name = base.name if base else given.text("name", "", least=1, most=63, pattern=NAME, shape="a-z, 0-9, - and _")
    settings = replace(
        before,
        name=name,
        base_url=_url(given, before.base_url, allow),
        models=_models(given, before.models),
        is_default=given.boolean("default", before.is_default),
        concurrency=given.integer("concurrency", before.concurrency, least=1, most=1000),
        requests_per_minute=_limit(given, "requests_per_minute", before.requests_per_minute),
        tokens_per_minute=_limit(given, "tokens_per_minute", before.tokens_per_minute),
        timeout_s=given.integer("timeout_s", before.timeout_s, least=1, most=300),
        streams=given.boolean("streams", before.streams),
        fallback=_fallback(given, before.fallback),
    )
    api_key = given.text("api_key", None, most=2000, pattern=KEY, shape="printable ASCII without blanks")
    given.raw("name")
    given.close()
    refuse_mistakes("provider.invalid", "The provider's settings are not acceptable.", errors)
    return ProviderInput(settings, api_key)


def _url(given: Fields, before: str, allow: AbstractSet[str]) -> str:
    url = given.text("base_url", before, least=1, most=MOST_CHARACTERS)
    if url != before:
        try:
            check_url(url, allow=allow)
        except OutboundError as error:
            given.refuse("base_url", "address", str(error))
    return url.rstrip("/")


def _models(given: Fields, before: tuple[str, ...]) -> tuple[str, ...]:
    if not given.has("models"):
        return before
    mistakes = len(given.errors)
    names = given.items("models", most=MOST_MODELS)
    if len(given.errors) > mistakes:
        return before
    good = [name for name in names if isinstance(name, str) and 1 <= len(name) <= 200 and name.isprintable()]
    if len(good) != len(names) or not names or len(set(good)) != len(good):
        given.refuse("models", "format", "must be a list of model names, at least one, each once")
    return tuple(good)


def _limit(given: Fields, name: str, before: int | None) -> int | None:
    if given.has(name) and given.raw(name) is None:
        return None
    return given.integer(name, before, least=1, most=1_000_000_000) if given.has(name) else before


def _fallback(given: Fields, before: str) -> str:
    if given.has("fallback") and given.raw("fallback") is None:
        return ""
    return given.text("fallback", before, most=63)
