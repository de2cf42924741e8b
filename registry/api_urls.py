"""Every route of `/api/v1`: the core's, then each app's."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("registry.core.api.urls")),
    path("", include("prompts_app.api.urls")),
    path("", include("evals_app.api.urls")),
]
