"""`/prompts/{name}/versions/labels`: bookmarks on versions."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.labels import remove_label, set_label
from prompts_app.api import answers
from prompts_app.label_queries import free_labels
from prompts_app.models import VersionLabel
from prompts_app.visibility import visible_prompt, visible_version
from registry.core.api.bodies import Nothing
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.permissions import Permission
from registry.core.times import rfc3339


class LabelsView(RegistryView):
    """The free labels of a prompt."""

    @extend_schema(responses=listing(answers.Label))
    def get(self, request: Request, name: str) -> Response:
        """What each label points at; environments are no labels here."""
        prompt = visible_prompt(self.actor, name)
        self.allow(Permission.READ)
        rows = free_labels().filter(prompt=prompt).select_related("version")
        return Response({"results": [_show(row) for row in rows], "next": None})


class LabelView(RegistryView):
    """One label on one version."""

    @extend_schema(request=Nothing, responses=answers.Label)
    def put(self, request: Request, name: str, number: int, label: str) -> Response:
        """Let the label point at this version, wherever it pointed before."""
        version = visible_version(self.actor, name, number)
        self.allow(Permission.CURATE)
        self.body(Nothing)
        return self.single(_show(set_label(self.actor, version, label)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, number: int, label: str) -> Response:
        """Take the label away."""
        version = visible_version(self.actor, name, number)
        self.allow(Permission.CURATE)
        remove_label(self.actor, version, label)
        return Response(status=204)


def _show(row: VersionLabel) -> dict[str, JSON]:
    return {"label": row.name, "version": row.version.number, "moved_at": rfc3339(row.moved_at)}
