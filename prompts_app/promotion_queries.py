"""Promotions as pages and the API read them: lists, and one with everything a reviewer needs to decide."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator

from prompts_app.conversation_queries import Thread, threads_of
from prompts_app.facts import (
    Judgement,
    judge,
    live_deployment,
    members_from,
    not_eligible,
    override_refusals,
)
from prompts_app.gates import Blocker, Level, standing, what_changed
from prompts_app.models import Approval, Deployment, Override, Promotion, Vote
from prompts_app.models.promotion import PromotionQuerySet
from registry.core.actor import Actor, Role
from registry.core.permissions import Permission, allows

PAGE_SIZE = 50
FIRST_TOLD, LAST_TOLD = 3, 12  # of a long story; what lies between is folded


@dataclass(frozen=True)
class Filter:
    """Which promotions are listed; `state` is `pending` for all that may still be applied."""

    state: str = "pending"
    environment: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class CheckLine:
    """A required check as it counts here."""

    name: str
    state: str
    url: str
    created_at: datetime | None
    is_safety: bool


@dataclass(frozen=True)
class VoteLine:
    """A person's latest vote: `state` is valid, stale or ineligible, `why` says more where it is not valid."""

    approval: Approval
    state: str
    why: str

    @property
    def approves(self) -> bool:
        """False for a request for changes."""
        return self.approval.vote == Vote.APPROVE


@dataclass(frozen=True)
class Review:
    """A promotion as one reader meets it. `refusal` says why the reader may not vote; empty where they may.

    `appliers` are the names of those who may apply it. `may_review_override`: it was overridden, nobody has reviewed that yet, and this reader is one who can.
    """

    promotion: Promotion
    judgement: Judgement
    live: Deployment | None
    votes: tuple[VoteLine, ...]
    checks: tuple[CheckLine, ...]
    threads: tuple[Thread, ...]
    refusal: str
    mine: Approval | None
    override: Override | None
    may_review_override: bool
    may_apply: bool
    may_override: bool
    appliers: tuple[str, ...]

    @property
    def blockers(self) -> tuple[Blocker, ...]:
        """What stands in the way, or is worth knowing."""
        return self.judgement.blockers

    @property
    def lower(self) -> str:
        """The name of the stage below, where its policy looks at it."""
        return self.judgement.facts.predecessor.environment if self.judgement.facts.predecessor else ""

    @property
    def suite_checks(self) -> tuple[CheckLine, ...]:
        """Those that suites answer."""
        return tuple(check for check in self.checks if check.name.startswith("suite/"))

    @property
    def outside_checks(self) -> tuple[CheckLine, ...]:
        """Those that other systems answer."""
        return tuple(check for check in self.checks if not check.name.startswith("suite/"))

    @property
    def standing(self) -> tuple[Blocker, ...]:
        """What stands in the way."""
        return standing(self.judgement.blockers)

    @property
    def is_ready(self) -> bool:
        """True where applying would succeed."""
        return self.promotion.is_pending and not self.standing

    @property
    def can_be_overridden(self) -> bool:
        """True where only soft blockers stand, and the environment permits it."""
        soft = all(blocker.level is Level.SOFT for blocker in self.standing)
        return bool(self.standing) and soft and self.judgement.policy.allow_override

    @property
    def has_moved(self) -> bool:
        """True where something else is live than when it was opened."""
        return self.promotion.base_id != (self.live.pk if self.live else None)


@dataclass(frozen=True)
class Happening:
    """Something on a promotion's timeline; `kind` is opened, a vote, comment, applied, or how it ended."""

    at: datetime
    kind: str
    who: str
    text: str
    thread: Thread | None = None


@dataclass(frozen=True)
class Story:
    """A promotion's timeline: how it began, what a long one folds, and what came last."""

    begin: tuple[Happening, ...]
    folded: tuple[Happening, ...] = ()
    end: tuple[Happening, ...] = ()

    @property
    def unresolved(self) -> int:
        """Threads within the fold that still wait for somebody."""
        return sum(one.thread is not None and not one.thread.is_resolved for one in self.folded)


def promotions(workspace_id: int, chosen: Filter, *, page: str | int | None = 1) -> "Page[Promotion]":
    """One page of promotions, newest first; two queries."""
    rows = _listed(workspace_id)
    if chosen.state == "pending":
        rows = rows.pending()
    elif chosen.state:
        rows = rows.filter(state=chosen.state)
    if chosen.environment:
        rows = rows.filter(environment__name=chosen.environment)
    if chosen.prompt:
        rows = rows.filter(prompt__name__icontains=chosen.prompt)
    return Paginator(rows, PAGE_SIZE).get_page(page)


def review_of(promotion: Promotion, actor: Actor) -> Review:
    """Everything about one promotion, for one reader; about 25 queries. Load it by `find_promotion`."""
    judgement = judge(promotion, actor)
    live = live_deployment(promotion.prompt, promotion.environment)
    excluded = not_eligible(promotion, live)
    policy = judgement.policy
    override = Override.objects.filter(promotion=promotion).select_related("by__user", "reviewed_by__user").first()
    return Review(
        promotion=promotion,
        judgement=judgement,
        live=live,
        votes=tuple(_vote_lines(judgement, excluded)),
        checks=tuple(_check_lines(judgement)),
        threads=threads_of(promotion),
        refusal=_refusal(actor, excluded),
        mine=next((one for one in judgement.approvals if one.member_id == actor.member_id), None),
        override=override,
        may_review_override=_may_review_override(actor, promotion, override),
        may_apply=allows(actor, Permission.APPLY, protected=policy.protected),
        may_override=allows(actor, Permission.OVERRIDE) and policy.allow_override,
        appliers=tuple(name for _, name in members_from(promotion.prompt.workspace_id, Role.RELEASER)),
    )


def story_of(review: Review) -> Story:
    """What happened to a promotion, oldest first, the middle of a long story folded; one query."""
    found = _happenings(review)
    if len(found) <= FIRST_TOLD + LAST_TOLD + 1:
        return Story(tuple(found))
    return Story(tuple(found[:FIRST_TOLD]), tuple(found[FIRST_TOLD:-LAST_TOLD]), tuple(found[-LAST_TOLD:]))


def _happenings(review: Review) -> list[Happening]:
    promotion = review.promotion
    found = [Happening(promotion.created_at, "opened", promotion.author_name, promotion.key_name)]
    found += [Happening(row.created_at, row.vote, row.member_name, row.comment) for row in promotion.approvals.all()]
    found += [Happening(one.at, "comment", one.first.author_name, one.first.body, one) for one in review.threads]
    if promotion.deployment is not None:
        found.append(Happening(promotion.deployment.created_at, "applied", promotion.deployment.actor_name, ""))
    elif promotion.ended_at is not None:
        found.append(Happening(promotion.ended_at, promotion.state, "", promotion.note))
    return sorted(found, key=lambda one: one.at)


def _listed(workspace_id: int) -> PromotionQuerySet:
    rows = Promotion.objects.in_workspace(workspace_id)
    return rows.select_related("prompt", "version__prompt", "environment", "author__user").order_by("-pk")


def _may_review_override(actor: Actor, promotion: Promotion, override: Override | None) -> bool:
    if override is None or override.reviewed_at is not None or not allows(actor, Permission.REVIEW):
        return False
    return actor.member_id not in override_refusals(promotion, override)


def _refusal(actor: Actor, excluded: dict[int, str]) -> str:
    if not allows(actor, Permission.REVIEW):
        return "You can read and comment. Approving takes the role reviewer or above."
    why = excluded.get(actor.member_id or 0, "")
    return f"Somebody else has to approve: you {why}." if why else ""


def _vote_lines(judgement: Judgement, excluded: dict[int, str]) -> Iterable[VoteLine]:
    facts = {vote.member_id: vote for vote in judgement.facts.votes}
    current = judgement.facts.subject.hash
    for approval in judgement.approvals:
        fact = facts[approval.member_id]
        if fact.refusal:
            yield VoteLine(approval, "ineligible", f"{approval.member_name} {fact.refusal}")
        elif approval.subject_hash != current and approval.vote == Vote.APPROVE:
            why = what_changed(json.loads(approval.subject), judgement.facts.subject)
            yield VoteLine(approval, "stale", why)
        else:
            yield VoteLine(approval, "valid", "")


def _check_lines(judgement: Judgement) -> Iterable[CheckLine]:
    for check in judgement.facts.checks:
        state = check.counts_as(judgement.now, judgement.policy.max_age_days)
        yield CheckLine(check.name, state, check.url, check.created_at, check.is_safety)
