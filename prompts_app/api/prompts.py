"""`/prompts`, their difference and their drafts."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.prompts import change_prompt, create_prompt
from prompts_app.actions.versions import discard_draft, find_version, save_draft
from prompts_app.api import answers, bodies
from prompts_app.api.shapes import show_draft, show_prompt
from prompts_app.diffing import compare
from prompts_app.history_queries import draft_of, live_deployments
from prompts_app.models import Prompt
from prompts_app.visibility import visible_prompt
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.errors import NotFound, invalid_field
from registry.core.permissions import Permission
from registry.core.timelimit import at_most

SEARCH_S = 3.0
LONGEST_SEARCH = 500


class PromptsView(RegistryView):
    """The prompts of the workspace."""

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, description="Words of name, description, tags, authors or newest text."),
            OpenApiParameter("tag", str),
            OpenApiParameter("folder", str, description="Prompts below it, at any depth."),
            OpenApiParameter("archived", bool, description="true: only archived ones. Left out: only others."),
        ],
        responses=listing(answers.Prompt),
    )
    def get(self, request: Request) -> Response:
        """Prompts by name."""
        self.allow(Permission.READ)
        with at_most(SEARCH_S):
            found, following = self.slice(self._wanted(), key="name", newest_first=False)
        live = live_deployments(found)
        results: list[JSON] = [show_prompt(prompt, live.get(prompt.pk, ())) for prompt in found]
        return Response({"results": results, "next": following})

    @extend_schema(request=bodies.NewPrompt, responses={201: answers.Prompt})
    def post(self, request: Request) -> Response:
        """Make a prompt, without versions yet."""
        self.allow(Permission.WRITE)
        given = self.body(bodies.NewPrompt)
        made = create_prompt(
            self.actor,
            given["name"],
            kind=given["kind"],
            description=given.get("description", ""),
            tags=given.get("tags", ()),
        )
        return self.single(_show(made), status=201)

    def _wanted(self) -> QuerySet[Prompt]:
        text, tag = self.text("q"), self.text("tag")
        if len(text) > LONGEST_SEARCH:
            raise invalid_field("q", "length", f"At most {LONGEST_SEARCH} characters.")
        rows = Prompt.objects.in_workspace(self.actor.workspace_id).archived(bool(self.flag("archived")))
        rows = rows.in_folder(self.text("folder")).matching(text)
        rows = rows.filter(tags__contains=[tag]) if tag else rows
        return rows.select_related("created_by__user").defer("searchable", "search")


class PromptView(RegistryView):
    """One prompt."""

    @extend_schema(responses=answers.Prompt)
    def get(self, request: Request, name: str) -> Response:
        """One prompt, archived or not."""
        prompt = visible_prompt(self.actor, name)
        self.allow(Permission.READ)
        return self.single(_show(prompt))

    @extend_schema(request=bodies.PromptChange, responses=answers.Prompt)
    def patch(self, request: Request, name: str) -> Response:
        """Describe, tag, archive or unarchive."""
        prompt = visible_prompt(self.actor, name)
        self.allow(Permission.CURATE)
        given = self.body(bodies.PromptChange)
        changed = change_prompt(
            self.actor,
            prompt,
            description=given.get("description"),
            tags=given.get("tags"),
            archived=given.get("archived"),
        )
        return self.single(_show(changed))


class DifferenceView(RegistryView):
    """Two versions of a prompt compared."""

    @extend_schema(
        parameters=[
            OpenApiParameter("from", int, required=True, description="A version's number."),
            OpenApiParameter("to", int, required=True, description="A version's number."),
        ],
        responses=answers.Difference,
    )
    def get(self, request: Request, name: str) -> Response:
        """What the version `to` changes against `from`: messages, settings, and the contract with services."""
        prompt = visible_prompt(self.actor, name)
        self.allow(Permission.READ)
        before, after = find_version(prompt, self._number("from")), find_version(prompt, self._number("to"))
        difference = compare(before.load(), after.load())
        return self.single({"from": before.number, "to": after.number, **difference.to_json()})

    def _number(self, name: str) -> int:
        number = self.integer(name, 0)
        if not number:
            raise invalid_field(name, "required", f"Say which version: {name}=1.")
        return number


class DraftView(RegistryView):
    """The caller's own draft of a prompt."""

    @extend_schema(responses=answers.Draft)
    def get(self, request: Request, name: str) -> Response:
        """What you have typed and not saved."""
        prompt = self._prompt(name)
        draft = draft_of(prompt, self.actor.member_id)
        if draft is None:
            raise NotFound("draft.not_found", "You have no draft of this prompt.")
        return self.single(show_draft(draft))

    @extend_schema(request=bodies.DraftBody, responses=answers.Draft)
    def put(self, request: Request, name: str) -> Response:
        """Keep what you have typed, acceptable or not."""
        prompt = self._prompt(name)
        self.allow(Permission.WRITE)
        given = self.body(bodies.DraftBody)
        draft = save_draft(
            self.actor,
            prompt,
            given["content"],
            message=given.get("message", ""),
            based_on=given.get("based_on"),
        )
        draft.refresh_from_db()
        return self.single(show_draft(draft))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Forget what you have typed."""
        prompt = self._prompt(name)
        self.allow(Permission.WRITE)
        discard_draft(self.actor, prompt)
        return Response(status=204)

    def _prompt(self, name: str) -> Prompt:
        prompt = visible_prompt(self.actor, name)
        self.allow_person()
        return prompt


def _show(prompt: Prompt) -> dict[str, JSON]:
    row = Prompt.objects.select_related("created_by__user").get(pk=prompt.pk)
    return show_prompt(row, live_deployments([row]).get(row.pk, ()))
