"""`/usage/reports` and `/prompts/{name}/versions/usage`: services tell what they serve, and people see who still runs what."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.usage import Reporter, Served, record_usage
from prompts_app.api.delivery import ReadPlaneThrottle
from prompts_app.usage_queries import Line, served
from prompts_app.visibility import sees_only_live, visible_environment, visible_prompt
from registry.core.api.bodies import Moment, StrictSerializer, Text, Whole
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.errors import Forbidden
from registry.core.permissions import Permission
from registry.core.times import rfc3339

MOST_ENTRIES = 500


class ReportingClient(StrictSerializer):
    """Who tells."""

    name = Text(max_length=100)
    version = Text(max_length=100)
    host = Text(required=False, allow_blank=True, max_length=200)


class ServedEntry(StrictSerializer):
    """A version that was given out `count` times since the last report."""

    name = Text(max_length=255)
    version = Whole(min_value=1)
    digest = Text(max_length=64)
    count = Whole(min_value=1)
    last_served_at = Moment()


class UsageReport(StrictSerializer):
    """What a client served since it last told."""

    client = ReportingClient()
    prompts = serializers.ListField(child=ServedEntry(), max_length=MOST_ENTRIES)


class ReportTaken(serializers.Serializer[Any]):
    """How many entries counted; the others name what this key may not see, or another content."""

    counted = serializers.IntegerField()


class Reporting(serializers.Serializer[Any]):
    """The client that told last."""

    name = serializers.CharField()
    host = serializers.CharField()


class ServingKey(serializers.Serializer[Any]):
    """A service key."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class ServedLine(serializers.Serializer[Any]):
    """A version that a key's services served in the last 30 days, beside what is live there now (null: nothing)."""

    environment = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    key = ServingKey()
    client = Reporting()
    count = serializers.IntegerField()
    first_served_at = serializers.DateTimeField()
    last_served_at = serializers.DateTimeField()
    live_version = serializers.IntegerField(allow_null=True)
    present = serializers.BooleanField(help_text="Whether it is among what this key's services served last.")
    behind = serializers.BooleanField(help_text="Whether it is present and not what is live.")


class UsageReportsView(RegistryView):
    """What services serve."""

    throttle_classes = [ReadPlaneThrottle]

    @extend_schema(request=UsageReport, responses={200: ReportTaken}, tags=["delivery"])
    def post(self, request: Request) -> Response:
        """Tell which versions were served. Service keys only; what the key may not see is left out without a word."""
        if not sees_only_live(self.actor):
            raise Forbidden("actor.key", "Only a service key tells what it serves.")
        given = self.body(UsageReport)
        client = given["client"]
        reporter = Reporter(client["name"], client["version"], client.get("host", ""))
        return Response({"counted": record_usage(self.actor, reporter, [Served(**one) for one in given["prompts"]])})


class PromptUsageView(RegistryView):
    """Who still runs what of a prompt."""

    @extend_schema(
        parameters=[OpenApiParameter("environment", str, description="Only there.")], responses=listing(ServedLine)
    )
    def get(self, request: Request, name: str) -> Response:
        """Versions that services served in the last 30 days, by key; those that are behind first. All at once."""
        prompt = visible_prompt(self.actor, name)
        self.allow(Permission.READ)
        wanted = self.text("environment")
        environment = visible_environment(self.actor, wanted) if wanted else None
        return Response({"results": [_show(line) for line in served(prompt, environment)], "next": None})


def _show(line: Line) -> dict[str, JSON]:
    return {
        "environment": line.environment.name,
        "version": line.version,
        "digest": line.digest,
        "key": {"id": line.key, "name": line.key_name},
        "client": {"name": line.client, "host": line.host},
        "count": line.count,
        "first_served_at": rfc3339(line.first_served_at),
        "last_served_at": rfc3339(line.last_served_at),
        "live_version": line.live_version,
        "present": line.is_present,
        "behind": line.is_behind,
    }
