"""`/import/langfuse` and `/import/pending`: another server read in the background, looked at, and then taken over."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.pending_imports import find_import, forget_import, plan_pending, take_over
from prompts_app.actions.pulls import begin_pull
from prompts_app.api.transfer_answers import Imported, LangfuseServer, PendingImport
from prompts_app.models import PendingPrompts
from registry.core.api.bodies import Nothing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.errors import Invalid, NotFound
from registry.core.models import JobState
from registry.core.permissions import Permission
from registry.core.times import rfc3339


class ImportLangfuseView(RegistryView):
    """A Langfuse server to read prompts from."""

    @extend_schema(request=LangfuseServer, responses={202: PendingImport})
    def post(self, request: Request) -> Response:
        """Begin to read every version of every prompt; the keys are used for this one reading and kept nowhere.

        It then waits at `/import/pending`, in the place of what waited. People only: an import waits for who began it.
        """
        self.allow_person()
        self.allow(Permission.WRITE)
        given = self.body(LangfuseServer)
        row = begin_pull(self.actor, given["url"], public_key=given["public_key"], secret_key=given["secret_key"])
        row.refresh_from_db()
        return Response(_show(self, row), status=202)


class PendingImportView(RegistryView):
    """What waits for the person who sent it or had it read."""

    @extend_schema(responses=PendingImport)
    def get(self, request: Request) -> Response:
        """How far the reading is; once it has ended, what taking it over would change. Nothing has changed by then."""
        self.allow_person()
        self.allow(Permission.WRITE)
        row = find_import(self.actor)
        if row is None:
            raise NotFound("import.not_found", "Nothing waits to be imported.")
        return self.single(_show(self, row))

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        """Leave it: a reading under way ends."""
        self.allow_person()
        self.allow(Permission.WRITE)
        forget_import(self.actor)
        return Response(status=204)


class TakeImportView(RegistryView):
    """What waits, taken over."""

    @extend_schema(request=Nothing, responses={200: Imported})
    def post(self, request: Request) -> Response:
        """Import what is not here yet; nothing is overwritten, and nothing goes live. 409 while it is still being read."""
        self.allow_person()
        self.allow(Permission.WRITE)
        self.body(Nothing)
        return Response(take_over(self.actor).to_json(preview=False))


def _show(view: RegistryView, row: PendingPrompts) -> dict[str, JSON]:
    plan: JSON = None
    error = row.error
    if row.state == JobState.DONE:
        try:
            plan = plan_pending(view.actor, row).to_json(preview=True)
        except Invalid as refused:
            error = refused.detail
    return {
        "origin": row.source,
        "name": row.name,
        "state": row.state,
        "progress": row.progress,
        "error": error,
        "began_at": rfc3339(row.began_at),
        "plan": plan,
    }
