"""What services read: what is live, all of it at once, and rendered."""

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from prompts_app.api import bodies, delivery_answers
from prompts_app.content import load_content
from prompts_app.delivery.asking import changes_gone, natural_number
from prompts_app.delivery.bodies import Entry, live_entry
from prompts_app.delivery.limits import Budget
from prompts_app.delivery.reading import read_changes, read_snapshot
from prompts_app.models import Environment
from prompts_app.rendering import render_content
from prompts_app.visibility import visible_environment, visible_live
from registry.core.actor import Actor
from registry.core.api.conditions import holds
from registry.core.api.views import RegistryView
from registry.core.errors import Unauthenticated, Unavailable
from registry.core.permissions import Permission

if TYPE_CHECKING:
    from rest_framework.views import APIView

FRESH = "private, max-age=10, stale-while-revalidate=60, stale-if-error=86400"
BUDGET = Budget(settings.DELIVERY_REQUESTS_PER_MINUTE)


class ReadPlaneThrottle(BaseThrottle):
    """Counts per key or person, in this process only."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """True, or TooManyRequests."""
        if isinstance(request.auth, Actor):
            BUDGET.take(f"{request.auth.kind}:{request.auth.id}")
        return True


class ReadPlaneView(RegistryView):
    """Routes that services lean on."""

    throttle_classes = [ReadPlaneThrottle]

    def entry(self, entry: Entry) -> HttpResponse:
        """The finished bytes, or 304 for who holds them."""
        is_known = holds(self.request.headers.get("If-None-Match", ""), entry.etag)
        response = HttpResponse(b"" if is_known else entry.body, status=304 if is_known else 200)
        if is_known:
            del response["Content-Type"]
        else:
            response["Content-Type"] = "application/json"
        response["ETag"] = entry.etag
        response["Cache-Control"] = FRESH
        response["X-Registry-Revision"] = str(entry.revision)
        return response

    def seen_by_key(self, name: str) -> Environment:
        """The environment, for a key; raises Unauthenticated for people: these routes are for services."""
        if self.actor.is_person:
            raise Unauthenticated("key.required", "This is for keys: send `Authorization: Bearer gr_…`.")
        environment = visible_environment(self.actor, name)
        self.allow(Permission.READ_LIVE)
        return environment


class FetchView(ReadPlaneView):
    """What is live of a prompt."""

    @extend_schema(responses=delivery_answers.LivePrompt, tags=["delivery"])
    def get(self, request: Request, env: str, name: str) -> HttpResponse:
        """What is live; 404 `not_deployed` where nothing is."""
        live = visible_live(self.actor, env, name)
        self.allow(Permission.READ_LIVE)
        return self.entry(live_entry(live))


class SnapshotView(ReadPlaneView):
    """Everything that is live in an environment."""

    @extend_schema(responses=delivery_answers.Snapshot, tags=["delivery"])
    def get(self, request: Request, env: str) -> HttpResponse:
        """Everything that is live, in one document: what a client needs to start and to run offline. Keys only."""
        return self.entry(read_snapshot(self.seen_by_key(env)))


class ChangesView(ReadPlaneView):
    """What moved since a client last looked. The read plane in front of Django answers it, and waits; this does not wait."""

    @extend_schema(
        parameters=[
            OpenApiParameter("since", int, required=True, description="The last revision that was seen; 0 for all."),
            OpenApiParameter("wait", int, description="Seconds to wait for something new, 60 at most."),
        ],
        responses={200: delivery_answers.Changes, 204: None},
        tags=["delivery"],
    )
    def get(self, request: Request, env: str) -> HttpResponse:
        """What changed after a revision: 204 when nothing did, 410 where not all of it is known. Keys only."""
        environment = self.seen_by_key(env)
        since = self.natural("since")
        self.natural("wait", 0)
        epoch = environment.workspace.epoch
        changes = read_changes(environment.workspace_id, environment.name, since)
        if changes is None:
            raise changes_gone(since, environment.counter.n, epoch)
        if not changes:
            return HttpResponse(status=204)
        told = [one.to_json() for one in changes]
        return Response({"revision": changes[-1].revision, "epoch": epoch, "changes": told})

    def natural(self, name: str, default: int | None = None) -> int:
        """A whole number from the query, zero included."""
        return natural_number(self.request.query_params.get(name, ""), name, default)


class StreamView(ReadPlaneView):
    """What moves, as it moves. Only the read plane in front of Django holds streams open."""

    @extend_schema(
        parameters=[OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER)],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
        tags=["delivery"],
    )
    def get(self, request: Request, env: str) -> HttpResponse:
        """Server-sent events: `id` is a revision, `data` names the prompts; `resync` says to take the snapshot. Keys only."""
        self.seen_by_key(env)
        raise Unavailable("stream.unavailable", "This process holds no streams: poll `changes`.", retry_after=30)


class RenderView(ReadPlaneView):
    """What is live of a prompt, rendered."""

    is_change = False

    @extend_schema(request=bodies.Render, responses=delivery_answers.RenderedLive, tags=["delivery"])
    def post(self, request: Request, env: str, name: str) -> Response:
        """The live version with values for its variables; 422 names each missing or mistyped one."""
        live = visible_live(self.actor, env, name)
        self.allow(Permission.READ_LIVE)
        given = self.body(bodies.Render)
        content = load_content(live.kind, json.loads(live.content))
        rendered = render_content(content, given.get("variables", {})).to_json()
        about = {"version": live.version, "digest": live.digest, "revision": live.revision}
        return Response({**rendered, **about}, headers={"Cache-Control": "no-store"})
