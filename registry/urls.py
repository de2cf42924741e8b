"""Everything that has an address; the apps bring their own lists."""

from django.urls import URLPattern, URLResolver, include, path

from prompts_app.api.mcp import McpView
from registry.core.api import documents
from registry.core.views import health

handler404 = "registry.core.views.errors.not_found"
handler500 = "registry.core.views.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/", include("registry.api_urls")),
    path("api/public/", include("prompts_app.compat.langfuse.urls")),
    path("api/schema", documents.schema, name="api_schema"),
    path("api/docs", documents.reference, name="api_docs"),
    path("mcp", McpView.as_view(), name="mcp"),
    path("", include("registry.core.urls")),
    path("", include("evals_app.urls")),
    path("", include("prompts_app.urls")),
]
