"""What a caller may do to a promotion now: the words are those of the addresses below it."""

from collections.abc import Callable, Mapping

from prompts_app.gates import Level
from prompts_app.models import PromotionState, Vote, actions_in
from prompts_app.promotion_queries import Review
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows


def allowed_to(actor: Actor, review: Review) -> list[str]:
    """What this actor could do now to the promotion they look at; no queries."""
    promotion = review.promotion
    possible = [*actions_in(promotion.state), "comments"]
    possible += ["dismiss"] if promotion.is_pending else []
    possible += ["review-override"] if promotion.state == PromotionState.APPLIED else []
    return [action for action in possible if MAY[action](actor, review)]


type May = Callable[[Actor, Review], bool]


def _writes(actor: Actor, review: Review) -> bool:
    return allows(actor, Permission.WRITE)


def _votes(actor: Actor, review: Review) -> bool:
    return not review.refusal


def _has_vote(actor: Actor, review: Review) -> bool:
    return allows(actor, Permission.REVIEW) and review.mine is not None


def _applies(actor: Actor, review: Review) -> bool:
    return review.may_apply and not review.standing


def _overrides(actor: Actor, review: Review) -> bool:
    is_hard = any(blocker.level is Level.HARD for blocker in review.standing)
    return review.may_apply and review.may_override and not is_hard


def _schedules(actor: Actor, review: Review) -> bool:
    return review.may_apply


def _sets_ready(actor: Actor, review: Review) -> bool:
    return review.may_apply and actor.is_person


def _acknowledges(actor: Actor, review: Review) -> bool:
    return allows(actor, Permission.WRITE) and actor.member_id == review.promotion.author_id


def _dismisses(actor: Actor, review: Review) -> bool:
    return review.may_dismiss and any(line.approval.vote == Vote.REQUEST_CHANGES for line in review.votes)


def _reviews_override(actor: Actor, review: Review) -> bool:
    return review.may_review_override


MAY: Mapping[str, May] = {
    "approve": _votes,
    "request-changes": _votes,
    "withdraw-vote": _has_vote,
    "comments": _writes,
    "apply": _applies,
    "override": _overrides,
    "schedule": _schedules,
    "ready": _sets_ready,
    "unschedule": _writes,
    "resume": _writes,
    "rebase": _writes,
    "reopen": _writes,
    "close": _writes,
    "acknowledge-breaking": _acknowledges,
    "dismiss": _dismisses,
    "review-override": _reviews_override,
}
