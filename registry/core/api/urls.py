"""The core's part of `/api/v1`."""

from django.urls import URLPattern, path

from registry.core.api import sessions

urlpatterns: list[URLPattern] = [
    path("session", sessions.SessionView.as_view(), name="api_session"),
]
