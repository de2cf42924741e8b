"""`/promotions`: asked for, listed, read, commented, voted on. What moves them is `promotion_changes`."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.environments import find_environment
from prompts_app.actions.moving import Moved
from prompts_app.actions.promotions import find_promotion, open_promotion
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.reviews import Spot, comment, find_comment, require_eligible, resolve_comment, vote
from prompts_app.actions.versions import find_version
from prompts_app.api import answers, bodies
from prompts_app.api.moving import MovingView, show_moved
from prompts_app.api.promotion_shapes import (
    promotion_etag,
    show_comment,
    show_listed_promotion,
    show_promotion,
)
from prompts_app.inbox_queries import inbox
from prompts_app.models import Comment, Promotion, PromotionState, Side, Vote
from prompts_app.models.promotion import PromotionQuerySet
from prompts_app.promotion_queries import review_of
from prompts_app.record_queries import record_of
from registry.core.api.bodies import StrictSerializer
from registry.core.api.openapi import listing
from registry.core.permissions import Permission

STATES = ("pending", *PromotionState.values)


class PromotionBase(MovingView):
    """What all routes below `/promotions` share."""

    def find(self, pk: int) -> Promotion:
        """The promotion of the address; raises NotFound."""
        return find_promotion(self.actor.workspace_id, pk)

    def seen(self, promotion: Promotion) -> int:
        """The stamp of the state that If-Match names, which is the present one; raises 428 or 412."""
        self.match(promotion_etag(promotion))
        return promotion.stamp

    def answer(self, promotion: Promotion, *, status: int = 200, moved: Moved | None = None) -> Response:
        """The promotion as it is now, for the caller."""
        row = self.find(promotion.pk)
        data = show_promotion(review_of(row, self.actor), self.actor)
        extra = show_moved(moved) if moved else {}
        return self.single({**data, **extra}, etag=promotion_etag(row), status=status)


class PromotionsView(PromotionBase):
    """The promotions of the workspace."""

    @extend_schema(
        parameters=[
            OpenApiParameter("state", str, enum=STATES, description="`pending`: whatever may still be applied."),
            OpenApiParameter("environment", str),
            OpenApiParameter("prompt", str),
            OpenApiParameter("waiting_for_me", bool, description="true: pending ones that lack a vote you can give."),
        ],
        responses=listing(answers.PromotionSummary),
    )
    def get(self, request: Request) -> Response:
        """Promotions, the newest first."""
        self.allow(Permission.READ)
        rows = self._wanted().select_related("prompt", "version", "environment", "base__version", "author__user")
        return self.page(rows, show_listed_promotion)

    @extend_schema(request=bodies.NewPromotion, responses={201: answers.Promotion})
    def post(self, request: Request) -> Response:
        """Ask for a version to go live over what is live now."""
        self.allow(Permission.WRITE)
        given = self.body(bodies.NewPromotion)
        prompt = find_prompt(self.actor.workspace_id, given["prompt"])
        opened = open_promotion(
            self.actor,
            find_version(prompt, given["version"]),
            find_environment(self.actor.workspace_id, given["environment"]),
            title=given.get("title", ""),
            acknowledge_breaking=given.get("acknowledge_breaking", False),
            scheduled_for=given.get("scheduled_for"),
        )
        return self.answer(opened, status=201)

    def _wanted(self) -> PromotionQuerySet:
        rows = Promotion.objects.in_workspace(self.actor.workspace_id)
        state, environment, prompt = self.choice("state", STATES), self.text("environment"), self.text("prompt")
        if state:
            rows = rows.pending() if state == "pending" else rows.filter(state=state)
        rows = rows.filter(environment__name=environment) if environment else rows
        rows = rows.filter(prompt__name=prompt) if prompt else rows
        waiting = self.flag("waiting_for_me")
        if waiting is None:
            return rows
        mine = [row.promotion.pk for row in inbox(self.actor).waiting]
        return rows.filter(pk__in=mine) if waiting else rows.exclude(pk__in=mine)


class PromotionView(PromotionBase):
    """One promotion."""

    @extend_schema(responses=answers.Promotion)
    def get(self, request: Request, pk: int) -> Response:
        """One promotion: what it would change, what counts for it, what is in the way, what you may do."""
        promotion = self.find(pk)
        self.allow(Permission.READ)
        return self.answer(promotion)


class PromotionRecordView(PromotionBase):
    """The record of a promotion."""

    @extend_schema(responses=answers.PromotionRecord)
    def get(self, request: Request, pk: int) -> Response:
        """One document with all that a promotion rested on.

        Contents and difference, checks with their runs, reviews, policy, and audit rows with their hashes; `record_digest`
        is the SHA-256 of the canonical JSON of all else.
        """
        promotion = self.find(pk)
        self.allow(Permission.READ)
        return self.single(record_of(promotion))


class VoteView(PromotionBase):
    """How a reviewer's word is taken."""

    choice_of_route = Vote.APPROVE

    def take(self, pk: int, body: type[StrictSerializer]) -> Response:
        """The caller's vote, after all that may refuse it in order."""
        promotion = self.find(pk)
        self.allow(Permission.REVIEW)
        if self.choice_of_route is not Vote.WITHDRAWN:
            require_eligible(self.actor, promotion)
        stamp = self.seen(promotion)
        given: dict[str, Any] = self.body(body)
        vote(
            self.actor,
            promotion,
            self.choice_of_route,
            stamp=stamp,
            subject_hash=given.get("subject_hash", ""),
            comment=given.get("comment", ""),
        )
        return self.answer(promotion)


class ApproveView(VoteView):
    """An approval."""

    @extend_schema(request=bodies.VoteBody, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Approve exactly what you saw; only people can, and nobody their own work."""
        return self.take(pk, bodies.VoteBody)


class RequestChangesView(VoteView):
    """A request for changes."""

    choice_of_route = Vote.REQUEST_CHANGES

    @extend_schema(request=bodies.VoteBody, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Ask for changes, which blocks until you approve or take it back."""
        return self.take(pk, bodies.VoteBody)


class WithdrawVoteView(VoteView):
    """A vote taken back."""

    choice_of_route = Vote.WITHDRAWN

    @extend_schema(request=bodies.WithdrawnVote, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Take your vote back."""
        return self.take(pk, bodies.WithdrawnVote)


class CommentsView(PromotionBase):
    """The comments on a promotion."""

    @extend_schema(responses=listing(answers.Comment))
    def get(self, request: Request, pk: int) -> Response:
        """Comments, the newest first."""
        promotion = self.find(pk)
        self.allow(Permission.READ)
        return self.page(Comment.objects.filter(promotion=promotion).select_related("member__user"), show_comment)

    @extend_schema(request=bodies.NewComment, responses={201: answers.Comment})
    def post(self, request: Request, pk: int) -> Response:
        """Say something about a promotion, or about one line of its difference."""
        promotion = self.find(pk)
        self.allow(Permission.WRITE)
        self.seen(promotion)
        given = self.body(bodies.NewComment)
        answered = given.get("reply_to")
        remark = comment(
            self.actor,
            promotion,
            body=given["comment"],
            spot=Spot(given.get("path", ""), given.get("line"), given.get("side", Side.NEW)),
            reply_to=find_comment(promotion, answered) if answered is not None else None,
            subject_hash=given.get("subject_hash", ""),
        )
        return self.single(show_comment(remark), status=201)


class ResolveCommentView(PromotionBase):
    """A comment dealt with."""

    @extend_schema(request=bodies.Resolution, responses=answers.Comment)
    def post(self, request: Request, pk: int, comment_id: int) -> Response:
        """Mark a comment as dealt with, or as open again."""
        promotion = self.find(pk)
        remark = find_comment(promotion, comment_id)
        self.allow(Permission.WRITE)
        self.seen(promotion)
        given = self.body(bodies.Resolution)
        return self.single(show_comment(resolve_comment(self.actor, remark, **given)))
