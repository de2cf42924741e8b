"""The addresses, below `/api/public/`. A prompt's name may hold slashes, plain or as %2F."""

from django.urls import URLPattern, path

from prompts_app.compat.langfuse import telemetry_views, views

urlpatterns: list[URLPattern] = [
    path("v2/prompts", views.PromptsView.as_view(), name="langfuse_prompts"),
    path("v2/prompts/<prompt:name>/versions/<int:number>", views.LabelsView.as_view(), name="langfuse_labels"),
    path("v2/prompts/<prompt:name>", views.PromptView.as_view(), name="langfuse_prompt"),
    path("projects", views.ProjectsView.as_view(), name="langfuse_projects"),
    path("health", views.health, name="langfuse_health"),
    path("otel/v1/traces", telemetry_views.TracesView.as_view(), name="langfuse_traces"),
    path("ingestion", telemetry_views.IngestionView.as_view(), name="langfuse_ingestion"),
]
