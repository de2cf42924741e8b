"""`/providers`: where models are asked; keys go in and never come out."""

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.providers import create_provider, find_provider, settings_of, update_provider
from evals_app.api import answers, bodies
from evals_app.api.shapes import show_provider
from evals_app.models import Provider
from evals_app.provider_settings import parse_provider
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.permissions import Permission


class ProvidersView(RegistryView):
    """All providers of the workspace."""

    @extend_schema(responses=listing(answers.Provider))
    def get(self, request: Request) -> Response:
        """The providers, newest first."""
        self.allow(Permission.ADMINISTER)
        rows = Provider.objects.filter(workspace_id=self.actor.workspace_id).select_related("fallback")
        return self.page(rows, show_provider)

    @extend_schema(request=bodies.NewProvider, responses={201: answers.Provider})
    def post(self, request: Request) -> Response:
        """Add one; 409 when the name is taken."""
        self.allow(Permission.ADMINISTER)
        given = parse_provider(dict(self.body(bodies.NewProvider)), allow=settings.OUTBOUND_ALLOW)
        return self.single(show_provider(create_provider(self.actor, given)), status=201)


class ProviderView(RegistryView):
    """One provider."""

    @extend_schema(responses=answers.Provider)
    def get(self, request: Request, provider: str) -> Response:
        """The provider without its key."""
        found = find_provider(self.actor.workspace_id, provider)
        self.allow(Permission.ADMINISTER)
        return self.single(show_provider(found))

    @extend_schema(request=bodies.ProviderChange, responses=answers.Provider)
    def patch(self, request: Request, provider: str) -> Response:
        """Change it; what is left out stays."""
        found = find_provider(self.actor.workspace_id, provider)
        self.allow(Permission.ADMINISTER)
        changes = dict(self.body(bodies.ProviderChange))
        given = parse_provider(changes, base=settings_of(found), allow=settings.OUTBOUND_ALLOW)
        return self.single(show_provider(update_provider(self.actor, found, given)))
