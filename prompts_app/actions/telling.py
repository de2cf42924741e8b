"""Who is told what: news about promotions as lines in people's inboxes, once per event and person."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from prompts_app.actions.promotions import find_promotion
from prompts_app.facts import eligible_reviewers, latest_votes, live_deployment, not_eligible
from prompts_app.models import Approval, Deployment, DeploymentKind, Override, Promotion, VersionCheck
from registry.core.actions.notifications import notify
from registry.core.models import Member
from registry.core.outbox import Message


@dataclass(frozen=True)
class News:
    """One line, and the members it is for."""

    promotion: Promotion
    text: str
    members: frozenset[int]


def tell(message: Message) -> None:
    """Turn one outbox message into inbox lines; repeats of the message change nothing."""
    for news in TOLD[message.topic](message):
        people = Member.objects.active().filter(pk__in=news.members).values_list("user_id", flat=True)
        url = promotion_url(news.promotion)
        notify(message.workspace_id, people, event_id=message.event_id, topic=message.topic, text=news.text, url=url)


def promotion_url(promotion: Promotion) -> str:
    """The page of a promotion, from the root of the server."""
    try:
        return reverse("promotion", args=[promotion.prompt.workspace.slug, promotion.pk])
    except NoReverseMatch:
        return ""


def _opened(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    excluded = not_eligible(promotion, live_deployment(promotion.prompt, promotion.environment))
    reviewers = frozenset(pk for pk, _ in eligible_reviewers(message.workspace_id, excluded))
    yield News(promotion, f"{promotion.author_name} asks to promote {_what(promotion)}", reviewers)


def _voted(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    approval = Approval.objects.get(pk=message.id("approval_id"))
    did = {"approve": "approved", "request_changes": "asked for changes to", "withdrawn": "took back a vote on"}[
        approval.vote
    ]
    yield News(promotion, f"{approval.member_name} {did} {_what(promotion)}", frozenset({promotion.author_id}))


def _changed(message: Message) -> Iterable[News]:
    """Approvals that went stale: the author and those approvers look again."""
    promotion = _promotion(message)
    members = message.payload.get("stale")
    stale = frozenset(int(str(pk)) for pk in members) if isinstance(members, list) else frozenset()
    if stale and promotion.is_pending:
        yield News(promotion, f"Approvals went stale on {_what(promotion)}", stale | {promotion.author_id})


def _finished(message: Message) -> Iterable[News]:
    check = VersionCheck.objects.get(pk=message.id("check_id"))
    pending = Promotion.objects.pending().filter(prompt=check.prompt_id, version__digest=check.digest)
    for pk in pending.values_list("pk", flat=True):
        promotion = find_promotion(message.workspace_id, pk)
        yield News(promotion, f"{check.name} {check.state} for {_what(promotion)}", frozenset({promotion.author_id}))


def _deployed(message: Message) -> Iterable[News]:
    deployment = Deployment.objects.get(pk=message.id("deployment_id"))
    if deployment.promotion_id is not None:
        promotion = find_promotion(message.workspace_id, deployment.promotion_id)
        yield News(promotion, f"{deployment.actor_name} promoted {_what(promotion)}", _involved(promotion))
    else:
        yield from _went_back(message, deployment)


def _went_back(message: Message, deployment: Deployment) -> Iterable[News]:
    """A rollback or withdrawal concerns those of the promotion that had brought the version that was live."""
    left = deployment.previous
    if left is None:
        return
    brought = Deployment.objects.filter(
        prompt=left.prompt_id, environment=left.environment_id, version=left.version_id, promotion__isnull=False
    )
    latest = brought.filter(pk__lte=left.pk).order_by("-pk").values_list("promotion_id", flat=True).first()
    if latest is None:
        return
    promotion = find_promotion(message.workspace_id, latest)
    did = "withdrew" if deployment.kind == DeploymentKind.WITHDRAWAL else "rolled back"
    where = f"{promotion.prompt.name} in {promotion.environment.label}"
    yield News(promotion, f"{deployment.actor_name} {did} {where}: {deployment.reason}", _involved(promotion))


def _overridden(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    by = Override.objects.get(promotion=promotion).by_id
    excluded = {by, *not_eligible(promotion, promotion.base)}
    reviewers = frozenset(pk for pk, _ in eligible_reviewers(message.workspace_id, excluded))
    yield News(promotion, f"Blockers were overridden: {_what(promotion)}. Please review it.", reviewers)


def _ended(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    text = f"{promotion.get_state_display()}: {_what(promotion)}"
    yield News(promotion, f"{text}: {promotion.note}" if promotion.note else text, _involved(promotion))


def _suspended(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    yield News(promotion, f"Suspended: {_what(promotion)}: {message.payload['note']}", _involved(promotion))


def _commented(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    comment = promotion.comments.get(pk=message.id("comment_id"))
    told = _involved(promotion) - {comment.member_id}
    yield News(promotion, f"{comment.author_name} commented on {_what(promotion)}", told)


TOLD: dict[str, Callable[[Message], Iterable[News]]] = {
    "promotion.opened": _opened,
    "promotion.voted": _voted,
    "promotion.changed": _changed,
    "promotion.commented": _commented,
    "promotion.overridden": _overridden,
    "promotion.ended": _ended,
    "promotion.suspended": _suspended,
    "deployment.created": _deployed,
    "check.finished": _finished,
}


def _promotion(message: Message) -> Promotion:
    return find_promotion(message.workspace_id, message.id("promotion_id"))


def _what(promotion: Promotion) -> str:
    return f"{promotion.prompt.name} v{promotion.version.number} to {promotion.environment.label}"


def _involved(promotion: Promotion) -> frozenset[int]:
    voters = {vote.member_id for vote in latest_votes(promotion)}
    schedulers = {promotion.scheduled_by_id} - {None}
    return frozenset({promotion.author_id, *voters, *(pk for pk in schedulers if pk is not None)})
