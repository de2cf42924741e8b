"""`/keys`: machines' credentials. A secret is in the answer that makes it, and nowhere else."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.keys import issue_key
from prompts_app.api import answers, bodies
from prompts_app.api.shapes import show_issued_key, show_key
from registry.core.actions.keys import IssuedKey, find_key, revoke_key, rotate_key
from registry.core.actions.workspaces import find_member
from registry.core.actor import KeyKind
from registry.core.api.bodies import Nothing
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.errors import NotFound, invalid_field
from registry.core.models import ApiKey, Member
from registry.core.permissions import Permission


class IssuingView(RegistryView):
    """Routes whose answer holds a secret."""

    keeps_answers = False

    def issued(self, issued: IssuedKey) -> Response:
        """The key with its secret, for nobody to keep but the caller."""
        row = _keys(self.actor.workspace_id).get(pk=issued.row.pk)
        response = self.single(show_issued_key(IssuedKey(row, issued.token)), status=201)
        response["Cache-Control"] = "no-store"
        return response


class KeysView(IssuingView):
    """The keys of the workspace."""

    @extend_schema(responses=listing(answers.Key))
    def get(self, request: Request) -> Response:
        """Keys, the newest first; revoked ones too."""
        self.allow(Permission.ADMINISTER)
        return self.page(_keys(self.actor.workspace_id), show_key)

    @extend_schema(request=bodies.NewKey, responses={201: answers.IssuedKey})
    def post(self, request: Request) -> Response:
        """Make a key; its secret is shown in this answer only."""
        self.allow(Permission.ADMINISTER)
        given = self.body(bodies.NewKey)
        issued = issue_key(
            self.actor,
            kind=KeyKind(given["kind"]),
            name=given["name"],
            environment=given.get("environment", ""),
            scopes=given.get("scopes"),
            responsible=self._responsible(given.get("responsible")),
            expires_at=given.get("expires_at"),
        )
        return self.issued(issued)

    def _responsible(self, email: str | None) -> Member | None:
        try:
            return None if email is None else find_member(self.actor.workspace_id, email)
        except NotFound:
            raise invalid_field("responsible", "unknown", "Name an active member of this workspace.") from None


class KeyView(RegistryView):
    """One key."""

    @extend_schema(responses=answers.Key)
    def get(self, request: Request, pk: int) -> Response:
        """One key, without its secret."""
        key = find_key(self.actor.workspace_id, pk)
        self.allow(Permission.ADMINISTER)
        return self.single(show_key(key))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke a key, at once."""
        key = find_key(self.actor.workspace_id, pk)
        self.allow(Permission.ADMINISTER)
        revoke_key(self.actor, key)
        return Response(status=204)


class RotateKeyView(IssuingView):
    """A key with a successor."""

    @extend_schema(request=Nothing, responses={201: answers.IssuedKey})
    def post(self, request: Request, pk: int) -> Response:
        """Make a successor with the same rights; the old key works until it is revoked."""
        key = find_key(self.actor.workspace_id, pk)
        self.allow(Permission.ADMINISTER)
        self.body(Nothing)
        return self.issued(rotate_key(self.actor, key))


def _keys(workspace_id: int) -> QuerySet[ApiKey]:
    return ApiKey.objects.in_workspace(workspace_id).select_related("responsible__user")
