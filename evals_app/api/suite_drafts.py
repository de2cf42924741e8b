"""`/suites/{suite}/draft`: what the caller has typed of a suite and not saved yet; the editor's page shows the same one."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.suite_drafts import discard_suite_draft, problems_of, replace_suite_draft, save_suite_draft
from evals_app.api import answers, bodies
from evals_app.api.shapes import show_suite_version
from evals_app.api.suites import SuiteBase
from evals_app.draft_queries import draft_as_read, draft_of, draft_stamp
from evals_app.models import Suite, SuiteDraft
from registry.core.api.bodies import JsonObject
from registry.core.api.conditions import quoted
from registry.core.api.openapi import FieldProblem
from registry.core.canonical import JSON
from registry.core.permissions import Permission
from registry.core.times import rfc3339


class SuiteDraftAnswer(serializers.Serializer[Any]):
    """What one person has typed of a suite and not saved; what cannot be read of a rule is the text that was typed."""

    is_kept = serializers.BooleanField(help_text="Without a draft this is what one would begin from.")
    based_on = serializers.IntegerField(help_text="The version it was begun from; 0 for none.")
    newest = serializers.IntegerField(
        help_text="The newest version; another one than `based_on`: somebody saved meanwhile."
    )
    content = JsonObject(help_text="As a version is saved, with its cases.")
    problems = FieldProblem(many=True, help_text="What saving it would refuse.")
    updated_at = serializers.DateTimeField(allow_null=True)


class SuiteDraftView(SuiteBase):
    """The caller's own draft of a suite."""

    matched: ClassVar[frozenset[str]] = frozenset({"PUT"})

    @extend_schema(responses=SuiteDraftAnswer)
    def get(self, request: Request, suite: str) -> Response:
        """Your draft, or what it would begin from; `problems` is all that saving it would refuse."""
        found = self._person(suite, Permission.READ)
        return self._answer(found, draft_of(found, self.actor.member_id))

    @extend_schema(request=bodies.SuiteDraftBody, responses=SuiteDraftAnswer)
    def put(self, request: Request, suite: str) -> Response:
        """Put this in the place of all that is in your draft, acceptable or not; the first time, begin one."""
        found = self._person(suite, Permission.WRITE)
        stamp = draft_stamp(found, draft_of(found, self.actor.member_id))
        self.match(quoted(stamp))
        given = self.body(bodies.SuiteDraftBody)
        based_on = given.get("based_on")
        return self._answer(
            found, replace_suite_draft(self.actor, found, given["content"], seen=stamp, based_on=based_on)
        )

    @extend_schema(responses={204: None})
    def delete(self, request: Request, suite: str) -> Response:
        """Forget your draft, if there is one."""
        discard_suite_draft(self.actor, self._person(suite, Permission.WRITE))
        return Response(status=204)

    def _person(self, suite: str, permission: Permission) -> Suite:
        found = self.find(suite)
        self.allow_person()
        self.allow(permission)
        return found

    def _answer(self, suite: Suite, draft: SuiteDraft | None) -> Response:
        suite.refresh_from_db()
        return self.single(_show(suite, draft), etag=quoted(draft_stamp(suite, draft)))


class SuiteDraftSaveView(SuiteBase):
    """Saving it."""

    @extend_schema(request=bodies.SaveSuiteDraft, responses={200: answers.SuiteVersion, 201: answers.SuiteVersion})
    def post(self, request: Request, suite: str) -> Response:
        """Save your draft as the next version and forget it; 200 with the newest one where that says the same already.

        409 `suite.moved` where somebody saved since it was begun: `over` says that you have seen their version.
        """
        found = self.find(suite)
        self.allow_person()
        self.allow(Permission.WRITE)
        saved = save_suite_draft(self.actor, found, over=self.body(bodies.SaveSuiteDraft).get("over"))
        return self.single(show_suite_version(saved.version), status=201 if saved.is_new else 200)


def _show(suite: Suite, draft: SuiteDraft | None) -> dict[str, JSON]:
    content: Mapping[str, JSON] = draft_as_read(suite, draft)
    problems: list[JSON] = [
        {"field": error.field, "code": error.code, "message": error.message} for error in problems_of(draft, content)
    ]
    return {
        "is_kept": draft is not None,
        "based_on": draft.based_on if draft else suite.last_number,
        "newest": suite.last_number,
        "content": dict(content),
        "problems": problems,
        "updated_at": rfc3339(draft.updated_at) if draft else None,
    }
