"""What moves a promotion: each route is one action, on the state that If-Match names."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions import promotions
from prompts_app.actions.applying import apply_promotion, find_override, override_promotion, review_override
from prompts_app.actions.promotions import require_author
from prompts_app.actions.reviews import dismiss_request, require_eligible
from prompts_app.api import answers, bodies
from prompts_app.api.promotions import PromotionBase
from prompts_app.facts import policy_of
from registry.core.actions.workspaces import find_member
from registry.core.api.bodies import Nothing
from registry.core.permissions import Permission


class ApplyView(PromotionBase):
    """A promotion applied."""

    @extend_schema(request=Nothing, responses=answers.AppliedPromotion)
    def post(self, request: Request, pk: int) -> Response:
        """Make the version live; 409 `promotion.blocked` with the blockers while anything is in the way."""
        promotion = self.find(pk)
        self.allow(Permission.APPLY, protected=policy_of(promotion).protected)
        stamp = self.seen(promotion)
        self.body(Nothing)
        moved = apply_promotion(self.actor, promotion, stamp=stamp)
        return self.answer(promotion, moved=moved)


class OverrideView(PromotionBase):
    """A promotion applied over soft blockers."""

    @extend_schema(request=bodies.Reason, responses=answers.AppliedPromotion)
    def post(self, request: Request, pk: int) -> Response:
        """Make the version live over soft blockers, for a reason of 20 characters or more; somebody reviews it later."""
        promotion = self.find(pk)
        self.allow(Permission.OVERRIDE)
        self.allow(Permission.APPLY, protected=policy_of(promotion).protected)
        stamp = self.seen(promotion)
        given = self.body(bodies.Reason)
        moved = override_promotion(self.actor, promotion, stamp=stamp, reason=given["reason"])
        return self.answer(promotion, moved=moved)


class ReviewOverrideView(PromotionBase):
    """An override looked at."""

    @extend_schema(request=Nothing, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Say that you looked at what was overridden; somebody who neither asked for it nor did it."""
        promotion = self.find(pk)
        self.allow(Permission.REVIEW)
        self.seen(promotion)
        self.body(Nothing)
        review_override(self.actor, find_override(promotion))
        return self.answer(promotion)


class ScheduleView(PromotionBase):
    """A promotion left to the clock."""

    @extend_schema(request=bodies.Schedule, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Apply it by itself at a time, as you; votes given for no time, or another, go stale."""
        promotion = self.find(pk)
        self.allow(Permission.APPLY, protected=policy_of(promotion).protected)
        stamp = self.seen(promotion)
        given = self.body(bodies.Schedule)
        promotions.schedule(self.actor, promotion, stamp=stamp, at=given["at"])
        return self.answer(promotion)


class ReadyView(PromotionBase):
    """A promotion applied as soon as it can be."""

    @extend_schema(request=bodies.Ready, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Apply it by itself, as you, as soon as nothing is in the way; or no longer."""
        promotion = self.find(pk)
        self.allow_person()
        self.allow(Permission.APPLY, protected=policy_of(promotion).protected)
        stamp = self.seen(promotion)
        given = self.body(bodies.Ready)
        promotions.set_ready(self.actor, promotion, stamp=stamp, **given)
        return self.answer(promotion)


class UnscheduleView(PromotionBase):
    """A promotion taken from the clock."""

    @extend_schema(request=Nothing, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Open again without a time; votes given before it was scheduled are valid again."""
        promotion = self.find(pk)
        self.allow(Permission.WRITE)
        stamp = self.seen(promotion)
        self.body(Nothing)
        promotions.unschedule(self.actor, promotion, stamp=stamp)
        return self.answer(promotion)


class ResumeView(PromotionBase):
    """A suspended promotion, open again."""

    @extend_schema(request=Nothing, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Open again, without a time."""
        promotion = self.find(pk)
        self.allow(Permission.WRITE)
        stamp = self.seen(promotion)
        self.body(Nothing)
        promotions.resume(self.actor, promotion, stamp=stamp)
        return self.answer(promotion)


class RebaseView(PromotionBase):
    """A promotion aimed at what is live now."""

    @extend_schema(request=Nothing, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Compare with what is live now; evidence stays good where it fits, votes go stale."""
        promotion = self.find(pk)
        self.allow(Permission.WRITE)
        stamp = self.seen(promotion)
        self.body(Nothing)
        promotions.rebase(self.actor, promotion, stamp=stamp)
        return self.answer(promotion)


class ReopenView(PromotionBase):
    """A promotion under the present policy."""

    @extend_schema(request=Nothing, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Be judged by the policy as it is now instead of the stricter of then and now; all votes are dropped."""
        promotion = self.find(pk)
        self.allow(Permission.WRITE)
        stamp = self.seen(promotion)
        self.body(Nothing)
        promotions.reopen(self.actor, promotion, stamp=stamp)
        return self.answer(promotion)


class CloseView(PromotionBase):
    """A promotion given up."""

    @extend_schema(request=bodies.Closing, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Give it up."""
        promotion = self.find(pk)
        self.allow(Permission.WRITE)
        stamp = self.seen(promotion)
        given = self.body(bodies.Closing)
        promotions.close(self.actor, promotion, stamp=stamp, reason=given.get("reason", ""))
        return self.answer(promotion)


class AcknowledgeBreakingView(PromotionBase):
    """A breaking change acknowledged."""

    @extend_schema(request=bodies.Acknowledgement, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Say, as whoever opened it, that services know of the breaking change; votes given without that go stale."""
        promotion = self.find(pk)
        self.allow(Permission.WRITE)
        require_author(self.actor, promotion)
        stamp = self.seen(promotion)
        given = self.body(bodies.Acknowledgement)
        promotions.acknowledge_breaking(self.actor, promotion, stamp=stamp, **given)
        return self.answer(promotion)


class DismissView(PromotionBase):
    """A request for changes set aside."""

    @extend_schema(request=bodies.Dismissal, responses=answers.Promotion)
    def post(self, request: Request, pk: int) -> Response:
        """Set somebody's request for changes aside, for a reason; not one on your own work."""
        promotion = self.find(pk)
        self.allow(Permission.ADMINISTER)
        require_eligible(self.actor, promotion)
        stamp = self.seen(promotion)
        given = self.body(bodies.Dismissal)
        member = find_member(self.actor.workspace_id, given["member"])
        dismiss_request(self.actor, promotion, member, stamp=stamp, reason=given["reason"])
        return self.answer(promotion)
