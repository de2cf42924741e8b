"""Who is told what: news about promotions as lines in people's inboxes, once per event and person."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from prompts_app.actions.promotions import find_promotion
from prompts_app.evaluation import called, titles_of
from prompts_app.facts import (
    eligible_reviewers,
    latest_votes,
    live_deployment,
    not_eligible,
    policy_of,
    required_check_facts,
)
from prompts_app.models import (
    Approval,
    CheckState,
    Deployment,
    DeploymentKind,
    Follow,
    Override,
    Promotion,
    VersionCheck,
)
from prompts_app.promoting_words import how_it_opens
from registry.core.actions.notifications import notify
from registry.core.models import Member
from registry.core.outbox import Message


@dataclass(frozen=True)
class News:
    """One line, and the members it is for; `topic` is the message's unless it is another kind of news for these.

    `done_by` are those of them who did it: the line is kept for them, but it is no news.
    """

    promotion: Promotion
    text: str
    members: frozenset[int]
    topic: str = ""
    done_by: frozenset[int] = frozenset()


def tell(message: Message) -> None:
    """Turn one outbox message into inbox lines; repeats of the message change nothing."""
    for news in TOLD[message.topic](message):
        people = dict(Member.objects.active().filter(pk__in=news.members).values_list("pk", "user_id"))
        notify(
            message.workspace_id,
            people.values(),
            event_id=message.event_id,
            topic=news.topic or message.topic,
            text=news.text,
            url=promotion_url(news.promotion),
            known_to={people[pk] for pk in news.done_by if pk in people},
        )


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
    text = f"{promotion.author_name} {how_it_opens(policy_of(promotion))} {_what(promotion)}"
    if promotion.is_pending:
        yield News(promotion, text, reviewers)
        yield _for_followers(promotion, text, but=promotion.author_id)


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
        text, told = f"Approvals went stale on {_what(promotion)}", stale | {promotion.author_id}
        yield News(promotion, text, told, done_by=frozenset({_by(message)}))


def _finished(message: Message) -> Iterable[News]:
    """A check that did not pass is the author's business at once; those that passed are told of when all have."""
    check = VersionCheck.objects.get(pk=message.id("check_id"))
    pending = Promotion.objects.pending().filter(prompt=check.prompt_id, version__digest=check.digest)
    for pk in pending.values_list("pk", flat=True):
        promotion = find_promotion(message.workspace_id, pk)
        author = frozenset({promotion.author_id})
        if check.state != CheckState.PASSED:
            name = called(check.name, titles_of(message.workspace_id, [check.name]))
            yield News(promotion, f"{name} {check.state} for {_what(promotion)}", author)
        elif _all_passed(promotion):
            yield News(promotion, f"All checks passed for {_what(promotion)}", author)


def _deployed(message: Message) -> Iterable[News]:
    deployment = Deployment.objects.get(pk=message.id("deployment_id"))
    if deployment.promotion_id is not None:
        promotion = find_promotion(message.workspace_id, deployment.promotion_id)
        over = " over what stood in the way" if Override.objects.filter(deployment=deployment).exists() else ""
        text, did = f"{deployment.actor_name} promoted {_what(promotion)}{over}", _who_did(deployment)
        is_alone = _asked_and_did(promotion, deployment)
        done_by = frozenset({did, promotion.author_id} if is_alone else {did})
        yield News(promotion, text, _involved(promotion), done_by=done_by)
        if not is_alone:
            yield _for_followers(promotion, text, but=did)
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
    prompt, place = promotion.prompt.name, promotion.environment.label
    is_gone = deployment.kind == DeploymentKind.WITHDRAWAL
    did = f"took {prompt} out of {place}" if is_gone else f"rolled back {prompt} in {place}"
    text, by = f"{deployment.actor_name} {did}: {deployment.reason}", _who_did(deployment)
    yield News(promotion, text, _involved(promotion) - {by})
    yield _for_followers(promotion, text, but=by)


def _overridden(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    by = Override.objects.get(promotion=promotion).by_id
    excluded = {by, *not_eligible(promotion, promotion.base)}
    reviewers = frozenset(pk for pk, _ in eligible_reviewers(message.workspace_id, excluded))
    yield News(promotion, f"Blockers were overridden: {_what(promotion)}. Please review it.", reviewers)


def _ended(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    text = f"{promotion.get_state_display()}: {_what(promotion)}"
    text = f"{text}: {promotion.note}" if promotion.note else text
    did = _by(message)
    yield News(promotion, text, _involved(promotion), done_by=frozenset({did}))
    yield _for_followers(promotion, text, but=did)


def _suspended(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    text = f"Suspended: {_what(promotion)}: {message.payload['note']}"
    yield News(promotion, text, _involved(promotion))
    yield _for_followers(promotion, text)


def _commented(message: Message) -> Iterable[News]:
    promotion = _promotion(message)
    comment = promotion.comments.get(pk=message.id("comment_id"))
    told = _involved(promotion) - {comment.member_id}
    yield News(promotion, f"{comment.author_name} commented on {_what(promotion)}", told)


FOLLOWED = "prompt.followed"
# What people choose from: the topics, in their own words.
KINDS = {
    "promotion.opened": "A review is asked of me",
    "promotion.voted": "Somebody votes on my promotion",
    "promotion.changed": "Approvals go stale",
    "promotion.commented": "Somebody comments on a promotion I am part of",
    "check.finished": "Checks of my promotion failed, or have all passed",
    "deployment.created": "A promotion I am part of went live, or was rolled back",
    "promotion.ended": "A promotion I am part of was closed, expired or superseded",
    "promotion.suspended": "A scheduled promotion I am part of was suspended",
    "promotion.overridden": "An override is to be reviewed",
    FOLLOWED: "News of prompts I follow",
}

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


def _for_followers(promotion: Promotion, text: str, *, but: int = 0) -> News:
    """The same news for those who follow the prompt; who is told anyway keeps the line they have."""
    followers = Follow.objects.filter(prompt=promotion.prompt_id).values_list("member_id", flat=True)
    return News(promotion, text, frozenset(followers) - {but}, FOLLOWED)


def _by(message: Message) -> int:
    """The member whose deed a message tells of; 0 for keys and the clock."""
    by = message.payload.get("by")
    return by if isinstance(by, int) else 0


def _who_did(deployment: Deployment) -> int:
    """The member who did it, who needs no telling; 0 for keys and the clock."""
    return deployment.actor_id if deployment.actor_kind == "member" else 0


def _asked_and_did(promotion: Promotion, deployment: Deployment) -> bool:
    """True where one caller asked for it and made it live in one go, as the environments do that take new versions at once."""
    if deployment.actor_kind == "key":
        return promotion.key_name == deployment.actor_name and not promotion.approvals.exists()
    return _who_did(deployment) == promotion.author_id and not promotion.approvals.exists()


def _all_passed(promotion: Promotion) -> bool:
    live = live_deployment(promotion.prompt, promotion.environment)
    found = required_check_facts(promotion.prompt, promotion.version, policy_of(promotion), live)
    return bool(found) and all(check.state == CheckState.PASSED for check in found)


def _promotion(message: Message) -> Promotion:
    return find_promotion(message.workspace_id, message.id("promotion_id"))


def _what(promotion: Promotion) -> str:
    return f"{promotion.prompt.name} v{promotion.version.number} to {promotion.environment.label}"


def _involved(promotion: Promotion) -> frozenset[int]:
    voters = {vote.member_id for vote in latest_votes(promotion)}
    schedulers = {promotion.scheduled_by_id} - {None}
    return frozenset({promotion.author_id, *voters, *(pk for pk in schedulers if pk is not None)})
