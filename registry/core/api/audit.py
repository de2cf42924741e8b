"""`/audit`: what people and keys did, and whether anybody touched the record of it."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.core.api.bodies import JsonObject
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.audit import verify_chain
from registry.core.audit_queries import show_event
from registry.core.models import AuditEvent
from registry.core.permissions import Permission

FILTERS = {
    "event": "event",
    "actor": "actor_name",
    "subject_type": "subject_type",
    "subject": "subject_name",
    "request_id": "request_id",
}


class AuditActor(serializers.Serializer[Any]):
    """Who did it, with the name of that time."""

    kind = serializers.ChoiceField(["member", "key", "system"])
    id = serializers.IntegerField()
    name = serializers.CharField()


class AuditSubject(serializers.Serializer[Any]):
    """What it was done to."""

    type = serializers.CharField()
    id = serializers.CharField()
    name = serializers.CharField()


class AuditAnswer(serializers.Serializer[Any]):
    """One link of the chain; `before` and `after` are digests, or empty."""

    id = serializers.IntegerField()
    sequence = serializers.IntegerField()
    event = serializers.CharField()
    actor = AuditActor()
    subject = AuditSubject()
    before = serializers.CharField()
    after = serializers.CharField()
    detail = JsonObject()
    request_id = serializers.CharField()
    address = serializers.CharField()
    at = serializers.DateTimeField()
    previous_hash = serializers.CharField()
    hash = serializers.CharField()


class ChainAnswer(serializers.Serializer[Any]):
    """`first_bad` is the id of the first row that does not fit; null too where only the end is missing."""

    ok = serializers.BooleanField()
    rows = serializers.IntegerField()
    first_bad = serializers.IntegerField(allow_null=True)


class AuditView(RegistryView):
    """The audit log of the workspace."""

    @extend_schema(
        parameters=[OpenApiParameter(name, str) for name in FILTERS],
        responses=listing(AuditAnswer),
    )
    def get(self, request: Request) -> Response:
        """Events, the newest first; each filter is an exact match."""
        self.allow(Permission.ADMINISTER)
        rows: QuerySet[AuditEvent] = AuditEvent.objects.filter(workspace_id=self.actor.workspace_id)
        wanted = {column: value for name, column in FILTERS.items() if (value := self.text(name))}
        return self.page(rows.filter(**wanted), show_event)


class AuditChainView(RegistryView):
    """The chain of the workspace's audit log."""

    @extend_schema(responses=ChainAnswer)
    def get(self, request: Request) -> Response:
        """Walk the chain from its first row to its head."""
        self.allow(Permission.ADMINISTER)
        report = verify_chain(self.actor.workspace_id)
        return self.single({"ok": report.ok, "rows": report.rows, "first_bad": report.first_bad})
