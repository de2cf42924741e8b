"""The routes of the prompts API: keys only, read into our terms, answered in theirs."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.labelling import move_labels, save_labelled, withdraw_and_archive, withdraw_and_yank
from prompts_app.compat.langfuse.bodies import new_labels, new_version, whole_number
from prompts_app.compat.langfuse.listing import list_prompts, wanted
from prompts_app.compat.langfuse.reading import (
    Asked,
    Reader,
    find_prompt,
    find_version,
    refuse_more_than_plain,
    show_prompt,
)
from prompts_app.delivery.propagation import wait_until_heard
from prompts_app.label_queries import LATEST, newest_numbers
from registry.core.actor import Actor
from registry.core.api.authentication import RegistryAuthentication
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.errors import invalid_field
from registry.core.models import Workspace
from registry.core.permissions import Permission
from registry.core.web import only_read

# The version of Langfuse's API that is spoken here.
SPEAKS = "3.0.0"


class KeyPair(RegistryAuthentication):
    """A key in its Basic form, or as Bearer; sessions of people do not count here."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        """The key's actor, or None without credentials."""
        return super().authenticate(request) if "Authorization" in request.headers else None

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Basic realm="greenroom"'


class LangfuseView(RegistryView):
    """The base of these routes: outside of the OpenAPI document, whose contract is our own."""

    authentication_classes = [KeyPair]
    schema = None

    @property
    def reader(self) -> Reader:
        """The key, as one that reads."""
        return Reader(self.actor.workspace_id, self.actor.environment)

    def query(self) -> dict[str, str]:
        """The query's parameters, the last one of a name."""
        return {name: value for name, value in self.request.query_params.items() if isinstance(value, str)}

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Whoever changed something reads it back: answer when every process has heard."""
        if request.method not in {"GET", "HEAD"} and response.status_code < 300 and self.is_change:
            wait_until_heard()
        return super().finalize_response(request, response, *args, **kwargs)


class PromptsView(LangfuseView):
    """All prompts."""

    def get(self, request: Request) -> Response:
        """One page of them."""
        self.allow(Permission.READ_LIVE)
        return Response(list_prompts(self.reader, wanted(self.query())))

    def post(self, request: Request) -> Response:
        """The next version, its prompt made where there is none, its labels set; all of it or nothing."""
        self.allow(Permission.WRITE)
        version = save_labelled(self.actor, new_version(request.data))
        return self.single(show_prompt(self.reader, version), status=201)


class PromptView(LangfuseView):
    """One prompt."""

    def get(self, request: Request, name: str) -> Response:
        """One version, by number or by label; by neither, what is live."""
        self.allow(Permission.READ_LIVE)
        reader, asked = self.reader, self.asked(name)
        version = find_version(reader, asked)
        refuse_more_than_plain(version)
        response = self.single(show_prompt(reader, version, is_resolved=asked.is_resolved))
        if hasattr(version, "yank"):
            response["X-Registry-Yanked"] = "true"
        return response

    def delete(self, request: Request, name: str) -> Response:
        """Take a prompt, or one version of it, out of use; nothing is ever lost here."""
        self.allow(Permission.CURATE)
        asked = self.asked(name)
        if asked.version or asked.label:
            withdraw_and_yank(self.actor, find_version(self.reader, asked))
        else:
            withdraw_and_archive(self.actor, find_prompt(self.reader, name))
        return Response(status=204)

    def asked(self, name: str) -> Asked:
        """What the query asks for; raises Invalid."""
        query = self.query()
        version, label = whole_number(query, "version"), query.get("label") or None
        if version and label:
            raise invalid_field("label", "both", "Cannot specify both version and label")
        return Asked(name, version, label, is_resolved=query.get("resolve", "true") != "false")


class LabelsView(LangfuseView):
    """The labels of a version."""

    def patch(self, request: Request, name: str, number: int) -> Response:
        """Let these labels point at the version, beside those that do already."""
        self.allow(Permission.CURATE)
        version = find_version(self.reader, Asked(name, number))
        labels = new_labels(request.data)
        if LATEST in labels and newest_numbers([version.prompt_id]).get(version.prompt_id) != version.number:
            raise invalid_field("newLabels", "reserved", "`latest` moves by itself: it is the newest version.")
        move_labels(self.actor, version, [label for label in labels if label != LATEST])
        return self.single(show_prompt(self.reader, version))


class ProjectsView(LangfuseView):
    """What a client checks its keys by."""

    def get(self, request: Request) -> Response:
        """The key's workspace as a project."""
        self.allow(Permission.READ_LIVE)
        workspace = Workspace.objects.get(pk=self.actor.workspace_id)
        about: dict[str, JSON] = {"id": workspace.slug, "name": workspace.name}
        project: dict[str, JSON] = {**about, "organization": about, "metadata": {}, "retentionDays": None}
        return Response({"data": [project]})


@only_read
def health(request: HttpRequest) -> HttpResponse:
    """Open to everybody; /readyz says more."""
    return JsonResponse({"status": "OK", "version": SPEAKS})
