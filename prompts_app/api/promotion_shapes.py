"""Promotions as the API tells of them."""

from prompts_app.facts import current_policy, subject_of
from prompts_app.models import Comment, Deployment, Promotion
from prompts_app.promotion_queries import Review
from prompts_app.transitions import allowed_to
from registry.core.actor import Actor
from registry.core.api.conditions import quoted
from registry.core.canonical import JSON
from registry.core.times import rfc3339


def promotion_etag(promotion: Promotion) -> str:
    """Changes with state, base, schedule, votes and policy; not with the reader or with checks."""
    return quoted(f"{promotion.stamp}-{current_policy(promotion.environment).number}")


def show_promotion(review: Review, actor: Actor) -> dict[str, JSON]:
    """A promotion as this caller meets it."""
    promotion, judgement = review.promotion, review.judgement
    return {
        "id": promotion.pk,
        "prompt": promotion.prompt.name,
        "version": promotion.version.number,
        "digest": promotion.version.digest,
        "environment": promotion.environment.name,
        "base": _base(promotion.base),
        "state": promotion.state,
        "author": promotion.author.user.email,
        "subject_hash": judgement.facts.subject.hash,
        "needed_approvals": judgement.policy.approvals,
        "approvals": [
            {
                "by": line.approval.member.user.email,
                "vote": line.approval.vote,
                "state": line.state,
                "why": line.why,
            }
            for line in review.votes
        ],
        "checks": [{"name": check.name, "state": check.state, "url": check.url} for check in review.checks],
        "blockers": [blocker.to_json() for blocker in judgement.blockers] if promotion.is_pending else [],
        "scheduled_for": rfc3339(promotion.scheduled_for),
        "created_at": rfc3339(promotion.created_at),
        "allowed": list(allowed_to(actor, review)),
    }


def show_listed_promotion(promotion: Promotion) -> dict[str, JSON]:
    """A promotion in a list: what is known of it without judging it."""
    return {
        "id": promotion.pk,
        "title": promotion.title,
        "prompt": promotion.prompt.name,
        "version": promotion.version.number,
        "digest": promotion.version.digest,
        "environment": promotion.environment.name,
        "base": _base(promotion.base),
        "state": promotion.state,
        "author": promotion.author.user.email,
        "subject_hash": subject_of(promotion).hash,
        "scheduled_for": rfc3339(promotion.scheduled_for),
        "created_at": rfc3339(promotion.created_at),
    }


def show_comment(remark: Comment) -> dict[str, JSON]:
    """A comment; its author must be loaded."""
    return {
        "id": remark.pk,
        "by": remark.member.user.email,
        "comment": remark.body,
        "path": remark.path,
        "line": remark.line,
        "side": remark.side,
        "quote": remark.quote,
        "reply_to": remark.reply_to_id,
        "created_at": rfc3339(remark.created_at),
        "resolved_at": rfc3339(remark.resolved_at),
        "resolved_by": remark.resolved_by_name,
    }


def _base(base: Deployment | None) -> dict[str, JSON] | None:
    if base is None or base.version is None:
        return None
    return {"deployment": base.pk, "version": base.version.number, "digest": base.version.digest}
