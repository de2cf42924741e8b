"""`/webhooks`: endpoints that are told what happens, and the log of what they were told."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.webhook_queries import read_webhook
from registry.core.actions.webhooks import (
    IssuedWebhook,
    change_webhook,
    create_webhook,
    delete_webhook,
    find_delivery,
    find_webhook,
    redeliver,
    rotate_webhook_secret,
    send_test_event,
    settings_of,
)
from registry.core.api.bodies import Flag, Nothing, StrictSerializer, Text, Words
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.models import JobState, Webhook, WebhookDelivery, WebhookTry
from registry.core.permissions import Permission
from registry.core.times import rfc3339
from registry.core.webhook_queries import deliveries_of
from registry.core.webhook_settings import FORMATS


class WebhookChange(StrictSerializer):
    """What is left out stays. Another `url` needs the `secret` again, or a new one."""

    url = Text(required=False, max_length=500)
    name = Text(required=False, max_length=120, allow_blank=True)
    events = Words(required=False, each=64)
    environments = Words(required=False, each=63)
    format = serializers.ChoiceField(FORMATS, required=False)
    with_content = Flag(required=False)
    is_active = Flag(required=False)
    secret = Text(required=False, max_length=200)


class NewWebhook(WebhookChange):
    """An endpoint. No `events` or `environments` are all of them; without a `secret` it gets one."""

    url = Text(max_length=500)


class WebhookAnswer(serializers.Serializer[Any]):
    """An endpoint, without its secret."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    environments = serializers.ListField(child=serializers.CharField())
    format = serializers.ChoiceField(FORMATS)
    with_content = serializers.BooleanField()
    state = serializers.ChoiceField(["active", "paused", "disabled"])
    disabled_why = serializers.CharField()
    failing_since = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class IssuedWebhookAnswer(WebhookAnswer):
    """An endpoint with the secret it has just got, shown only here; null where the caller sent one."""

    secret = serializers.CharField(allow_null=True)


class WebhookTryAnswer(serializers.Serializer[Any]):
    """One try; `status` 0 is no answer."""

    at = serializers.DateTimeField()
    status = serializers.IntegerField()
    duration_ms = serializers.IntegerField()
    error = serializers.CharField()
    answer = serializers.CharField()


class WebhookDeliveryAnswer(serializers.Serializer[Any]):
    """One event on its way to the endpoint, with its tries, the newest first; `event` is its `webhook-id`."""

    id = serializers.IntegerField()
    event = serializers.CharField()
    type = serializers.CharField()
    text = serializers.CharField()
    state = serializers.ChoiceField([str(state) for state in JobState])
    error = serializers.CharField()
    next_try_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    tries = WebhookTryAnswer(many=True)


def show_webhook(row: Webhook) -> dict[str, JSON]:
    """An endpoint as the API tells of it."""
    return {
        "id": row.pk,
        "name": row.name,
        "url": row.url,
        "events": list(row.events),
        "environments": list(row.environments),
        "format": row.format,
        "with_content": row.with_content,
        "state": row.state,
        "disabled_why": row.disabled_why,
        "failing_since": rfc3339(row.failing_since),
        "created_at": rfc3339(row.created_at),
    }


def show_delivery(row: WebhookDelivery) -> dict[str, JSON]:
    """A delivery as the API tells of it; event and tries must be loaded."""
    return {
        "id": row.pk,
        "event": row.event.message_id,
        "type": row.event.type,
        "text": row.event.text,
        "state": row.state,
        "error": row.error,
        "next_try_at": rfc3339(row.not_before) if row.state == JobState.QUEUED else None,
        "created_at": rfc3339(row.created_at),
        "tries": [_show_try(one) for one in row.log.all()],
    }


def _show_try(row: WebhookTry) -> dict[str, JSON]:
    return {
        "at": rfc3339(row.created_at),
        "status": row.status,
        "duration_ms": row.duration_ms,
        "error": row.error,
        "answer": row.answer,
    }


class IssuingView(RegistryView):
    """Routes whose answer may hold a secret."""

    keeps_answers = False

    def issued(self, made: IssuedWebhook) -> Response:
        """The endpoint with its secret, for nobody to keep but the caller."""
        made.row.refresh_from_db()
        response = self.single({**show_webhook(made.row), "secret": made.secret or None}, status=201)
        response["Cache-Control"] = "no-store"
        return response


class WebhooksView(IssuingView):
    """The endpoints of the workspace."""

    @extend_schema(responses=listing(WebhookAnswer))
    def get(self, request: Request) -> Response:
        """Endpoints, the newest first."""
        self.allow(Permission.ADMINISTER)
        return self.page(Webhook.objects.in_workspace(self.actor.workspace_id), show_webhook)

    @extend_schema(request=NewWebhook, responses={201: IssuedWebhookAnswer})
    def post(self, request: Request) -> Response:
        """Add an endpoint; the secret it gets is in this answer only."""
        self.allow(Permission.ADMINISTER)
        given = read_webhook(dict(self.body(NewWebhook)), self.actor.workspace_id)
        return self.issued(create_webhook(self.actor, given))


class WebhookView(RegistryView):
    """One endpoint."""

    @extend_schema(responses=WebhookAnswer)
    def get(self, request: Request, webhook: int) -> Response:
        """One endpoint, without its secret."""
        found = find_webhook(self.actor.workspace_id, webhook)
        self.allow(Permission.ADMINISTER)
        return self.single(show_webhook(found))

    @extend_schema(request=WebhookChange, responses=WebhookAnswer)
    def patch(self, request: Request, webhook: int) -> Response:
        """Change it; `is_active: true` also forgets its failures."""
        found = find_webhook(self.actor.workspace_id, webhook)
        self.allow(Permission.ADMINISTER)
        changes = dict(self.body(WebhookChange))
        given = read_webhook(changes, self.actor.workspace_id, base=settings_of(found))
        return self.single(show_webhook(change_webhook(self.actor, found, given)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, webhook: int) -> Response:
        """End it, with its log."""
        found = find_webhook(self.actor.workspace_id, webhook)
        self.allow(Permission.ADMINISTER)
        delete_webhook(self.actor, found)
        return Response(status=204)


class WebhookRotateView(IssuingView):
    """An endpoint's next secret."""

    @extend_schema(request=Nothing, responses={201: IssuedWebhookAnswer})
    def post(self, request: Request, webhook: int) -> Response:
        """Make a new secret, shown in this answer only; for a day both sign."""
        found = find_webhook(self.actor.workspace_id, webhook)
        self.allow(Permission.ADMINISTER)
        self.body(Nothing)
        return self.issued(rotate_webhook_secret(self.actor, found))


class WebhookTestView(RegistryView):
    """A test of an endpoint."""

    @extend_schema(request=Nothing, responses={202: WebhookDeliveryAnswer})
    def post(self, request: Request, webhook: int) -> Response:
        """Send it an event of the type `webhook.test`."""
        found = find_webhook(self.actor.workspace_id, webhook)
        self.allow(Permission.ADMINISTER)
        self.body(Nothing)
        return self.single(show_delivery(find_delivery(found, send_test_event(self.actor, found).pk)), status=202)


class DeliveriesView(RegistryView):
    """The log of an endpoint."""

    @extend_schema(responses=listing(WebhookDeliveryAnswer))
    def get(self, request: Request, webhook: int) -> Response:
        """Deliveries, the newest first; a month of them, a thousand at most."""
        found = find_webhook(self.actor.workspace_id, webhook)
        self.allow(Permission.ADMINISTER)
        return self.page(deliveries_of(found), show_delivery)


class RedeliverView(RegistryView):
    """A delivery sent again."""

    @extend_schema(request=Nothing, responses={202: WebhookDeliveryAnswer})
    def post(self, request: Request, webhook: int, delivery: int) -> Response:
        """Send the same event again now, by the same id."""
        found = find_delivery(find_webhook(self.actor.workspace_id, webhook), delivery)
        self.allow(Permission.ADMINISTER)
        self.body(Nothing)
        return self.single(show_delivery(redeliver(self.actor, found)), status=202)
