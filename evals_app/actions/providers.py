"""Providers: added and changed by people who administer the workspace; keys go in and never come out."""

from django.db import transaction

from evals_app.actions.recipes import redefine_checks
from evals_app.models import Provider
from evals_app.provider_settings import ProviderInput, ProviderSettings
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.models import Workspace
from registry.core.permissions import Permission, require, require_confirmed
from registry.core.secrets import seal


@transaction.atomic
def create_provider(actor: Actor, given: ProviderInput) -> Provider:
    """Add a provider; the workspace's first one becomes its default. Conflict when the name is taken."""
    require(actor, Permission.ADMINISTER)
    require_confirmed(actor)
    settings = given.settings
    _lock_providers(actor)
    others = Provider.objects.in_workspace(actor.workspace_id)
    if others.filter(name=settings.name).exists():
        raise Conflict("provider.exists", f"There is a provider called {settings.name}: change that one.")
    is_default = settings.is_default or not others.filter(is_default=True).exists()
    if is_default:
        others.filter(is_default=True).update(is_default=False)
    provider = Provider(workspace_id=actor.workspace_id, name=settings.name, is_default=is_default)
    _apply(provider, settings)
    provider.save(force_insert=True)
    if given.api_key:
        _store_key(provider, given.api_key)
    if is_default:
        redefine_checks(actor)
    _record(actor, "provider.created", provider)
    return provider


@transaction.atomic
def update_provider(actor: Actor, provider: Provider, given: ProviderInput) -> Provider:
    """Change a provider. A new address needs the key again: the old one must not be sent somewhere else."""
    require(actor, Permission.ADMINISTER)
    settings = given.settings
    _lock_providers(actor)
    locked = Provider.objects.select_for_update(of=("self",), no_key=True)  # a rotation of keys may be at it
    provider = locked.select_related("fallback").get(pk=provider.pk)
    if given.api_key is not None or settings.base_url != provider.base_url:
        require_confirmed(actor)
    if settings.base_url != provider.base_url and provider.sealed_key and given.api_key is None:
        raise invalid_field("api_key", "required", "Enter the key again: the provider's address changes.")
    before = (provider.is_default, provider.base_url, provider.default_model)
    if provider.is_default and not settings.is_default:
        raise invalid_field("default", "last", "Make another provider the default instead: a workspace keeps one.")
    if settings.is_default and not provider.is_default:
        Provider.objects.in_workspace(actor.workspace_id).filter(is_default=True).update(is_default=False)
    provider.is_default = settings.is_default
    _apply(provider, settings)
    provider.save()
    if given.api_key is not None:
        _store_key(provider, given.api_key)
    if before != (provider.is_default, provider.base_url, provider.default_model):
        redefine_checks(actor)
    _record(actor, "provider.changed", provider)
    return provider


def find_provider(workspace_id: int, name: str) -> Provider:
    """The provider with that name; raises NotFound."""
    found = Provider.objects.in_workspace(workspace_id).select_related("fallback").filter(name=name).first()
    if found is None:
        raise NotFound("provider.not_found", "This workspace has no provider with that name.")
    return found


def settings_of(provider: Provider) -> ProviderSettings:
    """A stored provider as the plain value it was read from."""
    return ProviderSettings(
        name=provider.name,
        base_url=provider.base_url,
        models=tuple(provider.model_names),
        is_default=provider.is_default,
        concurrency=provider.concurrency,
        requests_per_minute=provider.requests_per_minute,
        tokens_per_minute=provider.tokens_per_minute,
        timeout_s=provider.timeout_s,
        streams=provider.streams,
        fallback=provider.fallback.name if provider.fallback else "",
    )


def _lock_providers(actor: Actor) -> None:
    """One change at a time: which provider is the default concerns all of them."""
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)


def _apply(provider: Provider, settings: ProviderSettings) -> None:
    provider.base_url = settings.base_url
    provider.model_names = list(settings.models)
    provider.concurrency = settings.concurrency
    provider.requests_per_minute = settings.requests_per_minute
    provider.tokens_per_minute = settings.tokens_per_minute
    provider.timeout_s = settings.timeout_s
    provider.streams = settings.streams
    provider.fallback = _fallback(provider, settings.fallback)


def _fallback(provider: Provider, name: str) -> Provider | None:
    if not name:
        return None
    found = Provider.objects.in_workspace(provider.workspace_id).filter(name=name).exclude(pk=provider.pk).first()
    if found is None:
        raise invalid_field("fallback", "unknown", "Name another provider of this workspace.")
    return found


def _store_key(provider: Provider, api_key: str) -> None:
    provider.sealed_key = seal(api_key, context=provider.key_context) if api_key else ""
    provider.key_last4 = api_key[-4:] if len(api_key) >= 12 else ""
    provider.save(update_fields=["sealed_key", "key_last4"])


def _record(actor: Actor, event: str, provider: Provider) -> None:
    detail: dict[str, JSON] = {
        "base_url": provider.base_url,
        "models": list(provider.model_names),
        "default": provider.is_default,
        "has_key": bool(provider.sealed_key),
    }
    audit.record(
        actor, event, subject_type="provider", subject_id=provider.pk, subject_name=provider.name, detail=detail
    )
