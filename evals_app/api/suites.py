"""`/suites`, their versions, and the prompts they are attached to."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.newer_judges import take_judge
from evals_app.actions.suites import (
    attach_suite,
    create_suite,
    detach_suite,
    find_suite,
    find_suite_version,
    save_suite_version,
)
from evals_app.api import answers, bodies
from evals_app.api.shapes import (
    show_attachment,
    show_listed_suite_version,
    show_suite,
    show_suite_judges,
    show_suite_version,
)
from evals_app.judge_reports import JudgeReport, suite_judges
from evals_app.models import RunOn, Suite, SuiteAttachment, SuiteVersion
from evals_app.queries import newest_suite_version
from prompts_app.actions.prompts import find_prompt
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.permissions import Permission


class SuiteBase(RegistryView):
    """What the routes below `/suites/{suite}` share."""

    def find(self, slug: str) -> Suite:
        """The suite of the address; raises NotFound."""
        return find_suite(self.actor.workspace_id, slug)


class SuitesView(RegistryView):
    """The suites of the workspace."""

    @extend_schema(responses=listing(answers.Suite))
    def get(self, request: Request) -> Response:
        """Suites by slug."""
        self.allow(Permission.READ)
        rows = Suite.objects.in_workspace(self.actor.workspace_id).select_related("created_by__user")
        return self.page(rows, show_suite, key="slug", newest_first=False)

    @extend_schema(request=bodies.NewSuite, responses={201: answers.Suite})
    def post(self, request: Request) -> Response:
        """Make a suite, without versions yet."""
        self.allow(Permission.WRITE)
        given = self.body(bodies.NewSuite)
        made = create_suite(self.actor, given["slug"], title=given["title"], is_safety=given.get("safety", False))
        return self.single(show_suite(made), status=201)


class SuiteView(SuiteBase):
    """One suite."""

    @extend_schema(responses=answers.Suite)
    def get(self, request: Request, suite: str) -> Response:
        """One suite; its cases are in its versions."""
        found = self.find(suite)
        self.allow(Permission.READ)
        return self.single(show_suite(found))


class SuiteVersionsView(SuiteBase):
    """The versions of a suite."""

    @extend_schema(responses=listing(answers.SuiteVersionSummary))
    def get(self, request: Request, suite: str) -> Response:
        """Versions, the newest first, without their cases."""
        found = self.find(suite)
        self.allow(Permission.READ)
        rows = SuiteVersion.objects.filter(suite=found).select_related("suite", "author__user").defer("rules")
        return self.page(rows, show_listed_suite_version)

    @extend_schema(request=bodies.NewSuiteVersion, responses={200: answers.SuiteVersion, 201: answers.SuiteVersion})
    def post(self, request: Request, suite: str) -> Response:
        """Save the next version; 200 with the newest one where that says the same already."""
        found = self.find(suite)
        self.allow(Permission.WRITE)
        saved = save_suite_version(self.actor, found, self.body(bodies.NewSuiteVersion))
        return self.single(show_suite_version(saved.version), status=201 if saved.is_new else 200)


class SuiteVersionView(SuiteBase):
    """One version of a suite."""

    @extend_schema(responses=answers.SuiteVersion)
    def get(self, request: Request, suite: str, number: int) -> Response:
        """One version with all its cases."""
        version = find_suite_version(self.find(suite), number)
        self.allow(Permission.READ)
        return self.single(show_suite_version(version))


class JudgesView(SuiteBase):
    """Who judges in a suite."""

    @extend_schema(responses=answers.SuiteJudges)
    def get(self, request: Request, suite: str) -> Response:
        """The judges of the newest version, and how far they agree with people."""
        found = self.find(suite)
        self.allow(Permission.READ)
        version = newest_suite_version(found.pk)
        return self.single(show_suite_judges(suite_judges(version) if version else JudgeReport()))

    @extend_schema(request=bodies.NewJudge, responses={200: answers.SuiteVersion, 201: answers.SuiteVersion})
    def post(self, request: Request, suite: str) -> Response:
        """Ask another version of a judge from now on; that is a new version of the suite."""
        found = self.find(suite)
        self.allow(Permission.WRITE)
        given = self.body(bodies.NewJudge)
        saved = take_judge(self.actor, found, name=given["judge"], version=given["version"])
        return self.single(show_suite_version(saved.version), status=201 if saved.is_new else 200)


class AttachmentsView(SuiteBase):
    """Where a suite is attached."""

    @extend_schema(responses=listing(answers.Attachment))
    def get(self, request: Request, suite: str) -> Response:
        """The prompts whose versions are asked, those attached last first."""
        found = self.find(suite)
        self.allow(Permission.READ)
        rows = SuiteAttachment.objects.filter(suite=found).select_related("suite", "prompt")
        return self.page(rows, show_attachment)

    @extend_schema(request=bodies.NewAttachment, responses={200: answers.Attachment, 201: answers.Attachment})
    def post(self, request: Request, suite: str) -> Response:
        """Ask this suite of a prompt's versions; 200 where it was attached already and is asked otherwise now."""
        found = self.find(suite)
        self.allow(Permission.WRITE)
        given = self.body(bodies.NewAttachment)
        prompt = find_prompt(self.actor.workspace_id, given["prompt"])
        was_there = SuiteAttachment.objects.filter(suite=found, prompt=prompt).exists()
        made = attach_suite(
            self.actor,
            found,
            prompt,
            required=given.get("required", False),
            run_on=given.get("run_on", RunOn.NEW_VERSION),
        )
        return self.single(show_attachment(made), status=200 if was_there else 201)


class AttachmentView(SuiteBase):
    """A suite on one prompt."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, suite: str, name: str) -> Response:
        """Ask it no longer."""
        found, prompt = self.find(suite), find_prompt(self.actor.workspace_id, name)
        self.allow(Permission.WRITE)
        detach_suite(self.actor, found, prompt)
        return Response(status=204)
