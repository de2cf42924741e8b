"""`/prompts/{name}/versions`: saved, read, withdrawn, checked; and templates tried before they are saved."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.checks import post_external_check
from prompts_app.actions.versions import create_version, prepare, yank_version
from prompts_app.api import answers, bodies
from prompts_app.api.shapes import (
    is_yanked,
    show_check,
    show_counted_check,
    show_served_version,
    show_version,
    show_yank,
)
from prompts_app.check_queries import checks_in, newest_checks
from prompts_app.content import CONTENT_FIELDS
from prompts_app.history_queries import live_names
from prompts_app.models import Prompt, PromptVersion
from prompts_app.rendering import render_content
from prompts_app.visibility import sees_only_live, visible_digest, visible_environment, visible_prompt, visible_version
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.permissions import Permission

FOR_EVER = "private, max-age=31536000, immutable"


class VersionsView(RegistryView):
    """The versions of a prompt."""

    @extend_schema(responses=listing(answers.Version))
    def get(self, request: Request, name: str) -> Response:
        """Versions, the newest first."""
        prompt = visible_prompt(self.actor, name)
        self.allow(Permission.READ)
        rows = PromptVersion.objects.filter(prompt=prompt).select_related("prompt", "yank", "author__user")
        found, following = self.slice(rows)
        live = live_names(found)
        results: list[JSON] = [show_version(version, live.get(version.pk, ())) for version in found]
        return Response({"results": results, "next": following})

    @extend_schema(request=bodies.NewVersion, responses={200: answers.Version, 201: answers.Version})
    def post(self, request: Request, name: str) -> Response:
        """Save the next version; 200 with the newest one where that says the same already."""
        prompt = visible_prompt(self.actor, name)
        self.allow(Permission.WRITE)
        given = self.body(bodies.NewVersion)
        content = {field: given[field] for field in CONTENT_FIELDS if field in given}
        saved = create_version(
            self.actor,
            prompt,
            content,
            message=given.get("message", ""),
            based_on=given.get("based_on"),
        )
        version = visible_version(self.actor, name, saved.version.number)
        return self.single(_show(version), status=201 if saved.is_new else 200)


class OneVersion(RegistryView):
    """How one version is answered to whom."""

    def answer(self, version: PromptVersion) -> Response:
        """Everything to people and CI keys; to services what they use, which never changes."""
        self.allow(Permission.READ_LIVE)
        if sees_only_live(self.actor):
            response = self.single(show_served_version(version))
            response["Cache-Control"] = FOR_EVER
        else:
            response = self.single(_show(version))
        if is_yanked(version):
            response["X-Registry-Yanked"] = "true"
        return response


class VersionView(OneVersion):
    """One version by its number."""

    @extend_schema(responses=answers.Version)
    def get(self, request: Request, name: str, number: int) -> Response:
        """One version; a withdrawn one too, marked by `X-Registry-Yanked: true`."""
        return self.answer(visible_version(self.actor, name, number))


class DigestView(OneVersion):
    """One version by its content."""

    @extend_schema(responses=answers.Version)
    def get(self, request: Request, name: str, digest: str) -> Response:
        """The first version with this digest."""
        return self.answer(visible_digest(self.actor, name, digest))


class YankView(RegistryView):
    """A version withdrawn."""

    @extend_schema(request=bodies.Reason, responses=answers.Yank)
    def post(self, request: Request, name: str, number: int) -> Response:
        """Withdraw a version for good: it answers exact pins, and can never go live again."""
        version = visible_version(self.actor, name, number)
        self.allow(Permission.CURATE)
        given = self.body(bodies.Reason)
        yank = yank_version(self.actor, version, reason=given["reason"])
        yank.refresh_from_db()
        return self.single(show_yank(version, yank, yank.by.user.email))


class ChecksView(RegistryView):
    """What checks say of a version."""

    @extend_schema(
        parameters=[
            OpenApiParameter("environment", str, description="As they count there: against what is live there now.")
        ],
        responses=listing(answers.Check),
    )
    def get(self, request: Request, name: str, number: int) -> Response:
        """The newest answer of each check; with `environment` the required ones first, also where nothing was posted."""
        version = visible_version(self.actor, name, number)
        self.allow(Permission.READ)
        where = self.text("environment")
        if where:
            environment = visible_environment(self.actor, where)
            found = checks_in(version, environment)
            results: list[JSON] = [show_counted_check(one) for one in found]
        else:
            results = [show_check(check) for check in newest_checks(version)]
        return Response({"results": results, "next": None})

    @extend_schema(request=bodies.NewCheck, responses={201: answers.Check})
    def post(self, request: Request, name: str, number: int) -> Response:
        """Say what an outside system found; for CI keys."""
        version = visible_version(self.actor, name, number)
        self.allow(Permission.POST_CHECK)
        given = self.body(bodies.NewCheck)
        check = post_external_check(self.actor, version, **given)
        return self.single(show_check(check), status=201)


class PreviewView(RegistryView):
    """A template tried."""

    is_change = False

    @extend_schema(request=bodies.Preview, responses=answers.Rendered)
    def post(self, request: Request) -> Response:
        """What a template would become, its includes expanded, with values for its variables; nothing is kept."""
        self.allow(Permission.WRITE)
        given = self.body(bodies.Preview)
        unsaved = Prompt(workspace_id=self.actor.workspace_id, kind=given["kind"], name="")
        template = {field: given[field] for field in ("text", "messages", "template_format") if field in given}
        _, content = prepare(unsaved, template)
        return Response(render_content(content, given.get("variables", {})).to_json())


def _show(version: PromptVersion) -> dict[str, JSON]:
    return show_version(version, live_names([version]).get(version.pk, ()))
