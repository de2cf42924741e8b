"""`/providers`: where models are asked; keys go in and never come out."""

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.providers import create_provider, find_provider, settings_of, update_provider
from evals_app.models import Provider
from evals_app.provider_settings import parse_provider
from registry.core.api.bodies import Flag, StrictSerializer, Text, Whole
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.permissions import Permission


class ProviderBody(StrictSerializer):
    """A new provider. `api_key` is write-only: answers show its last four characters."""

    name = Text(max_length=63)
    base_url = Text(max_length=500)
    api_key = Text(required=False, allow_blank=True, max_length=2000)
    models = serializers.ListField(child=Text(max_length=200), min_length=1, max_length=200)
    default = Flag(required=False)
    concurrency = Whole(required=False, min_value=1, max_value=1000)
    requests_per_minute = Whole(required=False, allow_null=True, min_value=1, max_value=1_000_000_000)
    tokens_per_minute = Whole(required=False, allow_null=True, min_value=1, max_value=1_000_000_000)
    timeout_s = Whole(required=False, min_value=1, max_value=300)
    fallback = Text(required=False, allow_null=True, max_length=63)


class ProviderChange(ProviderBody):
    """What changes; a new `base_url` needs `api_key` again."""

    name = Text(required=False, max_length=63)
    base_url = Text(required=False, max_length=500)
    models = serializers.ListField(child=Text(max_length=200), required=False, min_length=1, max_length=200)


class ProviderAnswer(serializers.Serializer[dict[str, JSON]]):
    """A provider; `api_key` is its last four characters, empty without a key."""

    name = serializers.CharField()
    base_url = serializers.CharField()
    api_key = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField())
    default = serializers.BooleanField()
    concurrency = serializers.IntegerField()
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    timeout_s = serializers.IntegerField()
    fallback = serializers.CharField(allow_null=True)


def provider_json(provider: Provider) -> dict[str, JSON]:
    """A provider as the API shows it."""
    shown = settings_of(provider).to_json()
    key = f"…{provider.key_last4}" if provider.sealed_key else ""
    return {"name": shown.pop("name"), "base_url": shown.pop("base_url"), "api_key": key, **shown}


class ProvidersView(RegistryView):
    """All providers of the workspace."""

    @extend_schema(responses=listing(ProviderAnswer))
    def get(self, request: Request) -> Response:
        """The providers, newest first."""
        self.allow(Permission.ADMINISTER)
        rows = Provider.objects.filter(workspace_id=self.actor.workspace_id).select_related("fallback")
        return self.page(rows, provider_json)

    @extend_schema(request=ProviderBody, responses={201: ProviderAnswer})
    def post(self, request: Request) -> Response:
        """Add one; 409 when the name is taken."""
        self.allow(Permission.ADMINISTER)
        given = parse_provider(dict(self.body(ProviderBody)), allow=settings.OUTBOUND_ALLOW)
        return self.single(provider_json(create_provider(self.actor, given)), status=201)


class ProviderView(RegistryView):
    """One provider."""

    @extend_schema(responses=ProviderAnswer)
    def get(self, request: Request, name: str) -> Response:
        """The provider without its key."""
        provider = find_provider(self.actor.workspace_id, name)
        self.allow(Permission.ADMINISTER)
        return self.single(provider_json(provider))

    @extend_schema(request=ProviderChange, responses=ProviderAnswer)
    def patch(self, request: Request, name: str) -> Response:
        """Change it; what is left out stays."""
        provider = find_provider(self.actor.workspace_id, name)
        self.allow(Permission.ADMINISTER)
        given = parse_provider(
            dict(self.body(ProviderChange)), base=settings_of(provider), allow=settings.OUTBOUND_ALLOW
        )
        return self.single(provider_json(update_provider(self.actor, provider, given)))
