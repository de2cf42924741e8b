"""Where these clients post what they observe."""

from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.observations import observe
from prompts_app.compat.langfuse.telemetry import reports_of_events, reports_of_traces, unpacked
from prompts_app.compat.langfuse.views import LangfuseView
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid
from registry.core.permissions import Permission

PROTOBUF = "application/x-protobuf"


class TracesView(LangfuseView):
    """Spans."""

    is_change = False

    def post(self, request: Request) -> Response:
        """Keep what spans say of versions in use."""
        self.allow(Permission.READ_LIVE)
        media_type = request._request.content_type or PROTOBUF
        body = unpacked(request._request.body, request.headers.get("Content-Encoding", ""))
        observe(self.actor, reports_of_traces(body, media_type))
        return Response({})


class IngestionView(LangfuseView):
    """Events of older clients."""

    is_change = False

    def post(self, request: Request) -> Response:
        """Keep what events say of versions in use; all of them count as taken."""
        self.allow(Permission.READ_LIVE)
        batch = request.data.get("batch") if isinstance(request.data, dict) else None
        if not isinstance(batch, list):
            raise Invalid("invalid", "Send a batch.", errors=[FieldError("batch", "type", "must be a list")])
        observe(self.actor, reports_of_events(batch))
        taken: list[JSON] = [{"id": event.get("id"), "status": 201} for event in batch if isinstance(event, dict)]
        return Response({"successes": taken, "errors": []}, status=207)
