"""`/notifications`: a person's inbox in the workspace."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.core.actions.notifications import mark_read
from registry.core.api.bodies import Nothing
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.models import Notification
from registry.core.times import rfc3339


class NotificationAnswer(serializers.Serializer[Any]):
    """One line; `url` starts at the root of the server."""

    id = serializers.IntegerField()
    topic = serializers.CharField()
    text = serializers.CharField()
    url = serializers.CharField()
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class MarkedAnswer(serializers.Serializer[Any]):
    """How many lines were unread."""

    marked = serializers.IntegerField()


def show_notification(row: Notification) -> dict[str, JSON]:
    """An inbox line as the API tells of it."""
    return {
        "id": row.pk,
        "topic": row.topic,
        "text": row.text,
        "url": row.url,
        "created_at": rfc3339(row.created_at),
        "read_at": rfc3339(row.read_at),
    }


class NotificationsView(RegistryView):
    """The caller's own inbox."""

    @extend_schema(parameters=[OpenApiParameter("unread", bool)], responses=listing(NotificationAnswer))
    def get(self, request: Request) -> Response:
        """Lines, the newest first."""
        self.allow_person()
        rows = Notification.objects.filter(user=self.user, workspace_id=self.actor.workspace_id)
        unread = self.flag("unread")
        return self.page(rows if unread is None else rows.filter(read_at__isnull=unread), show_notification)


class MarkReadView(RegistryView):
    """The caller's own inbox, emptied."""

    @extend_schema(request=Nothing, responses=MarkedAnswer)
    def post(self, request: Request) -> Response:
        """Mark every line as read."""
        self.allow_person()
        self.body(Nothing)
        return Response({"marked": mark_read(self.user, self.actor.workspace_id)})
