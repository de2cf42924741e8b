"""`/import` and `/export`: prompts from elsewhere, and prompts to take along."""

import re

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.imports import import_histories, import_prompty, plan_import, plan_prompty
from prompts_app.actions.prompts import find_prompt
from prompts_app.api.transfer_answers import Bundle, Imported, PromptyFile
from prompts_app.transfer.bundle import DEEPEST, parse_bundle
from prompts_app.transfer.prompty import read_prompty
from prompts_app.transfer.prompty_writing import write_prompty
from prompts_app.transfer_queries import Wanted, bundle_pieces
from prompts_app.visibility import visible_environment, visible_version
from registry.core.api.parsing import StrictJsonParser
from registry.core.api.views import RegistryView
from registry.core.downloads import download
from registry.core.models import Workspace
from registry.core.permissions import Permission

PREVIEW = OpenApiParameter("preview", bool, description="true: say what would change, and change nothing.")


class BundleParser(StrictJsonParser):
    """JSON that may hold a version's content some levels down."""

    max_depth = DEEPEST


class ExportBundleView(RegistryView):
    """Prompts to take along."""

    @extend_schema(
        parameters=[
            OpenApiParameter("folder", str, description="Only prompts below it, at any depth."),
            OpenApiParameter("prompt", str, description="Only this prompt."),
            OpenApiParameter("newest", bool, description="true: of each prompt only the newest version."),
            OpenApiParameter("environment", str, description="Of each prompt only the version that is live there."),
        ],
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        """A bundle of all prompts, with every version: without loss, sent while it is read."""
        self.allow(Permission.READ)
        wanted = Wanted(self.text("folder"), self.text("prompt"), bool(self.flag("newest")), self.text("environment"))
        if wanted.name:
            find_prompt(self.actor.workspace_id, wanted.name)
        if wanted.live_in:
            visible_environment(self.actor, wanted.live_in)
        workspace = Workspace.objects.get(pk=self.actor.workspace_id)
        pieces = bundle_pieces(workspace, wanted)
        return download(f"{workspace.slug}.bundle.json", "application/json", pieces)  # type: ignore[return-value]


class ImportBundleView(RegistryView):
    """A bundle, imported."""

    parser_classes = [BundleParser]

    @extend_schema(parameters=[PREVIEW], request=Bundle, responses={200: Imported})
    def post(self, request: Request) -> Response:
        """Import what is not here yet; nothing is overwritten, nothing goes live, twice is as good as once."""
        self.allow(Permission.WRITE)
        histories = parse_bundle(request.data)
        is_preview = bool(self.flag("preview"))
        plan = (plan_import if is_preview else import_histories)(self.actor, histories)
        return Response(plan.to_json(preview=is_preview))


class ImportPromptyView(RegistryView):
    """A Prompty file, imported."""

    @extend_schema(parameters=[PREVIEW], request=PromptyFile, responses={200: Imported})
    def post(self, request: Request) -> Response:
        """Save the file as the next version of its prompt; `notes` name what of it is not taken over."""
        self.allow(Permission.WRITE)
        given = self.body(PromptyFile)
        history = read_prompty(given["text"], name=given.get("name", ""))
        is_preview = bool(self.flag("preview"))
        plan = (plan_prompty if is_preview else import_prompty)(self.actor, history)
        return Response(plan.to_json(preview=is_preview))


class ExportPromptyView(RegistryView):
    """A version as a Prompty file."""

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    def get(self, request: Request, name: str, number: int) -> Response:
        """One version as a Prompty file; comments at its head name what the format cannot say."""
        self.allow(Permission.READ)
        version = visible_version(self.actor, name, number)
        prompt = version.prompt
        text = write_prompty(
            prompt.name, prompt.kind, version.to_json(), description=prompt.description, tags=prompt.tags
        )
        file = f"{re.sub(r'[^A-Za-z0-9._-]', '-', prompt.name)}.prompty"
        return download(file, "text/plain; charset=utf-8", [text])  # type: ignore[return-value]
