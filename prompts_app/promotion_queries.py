"""Promotions as pages and the API read them: lists, and one with everything a reviewer needs to decide."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import Q

from prompts_app.around_queries import Since, since_opened
from prompts_app.conversation_queries import Thread, threads_of
from prompts_app.evaluation import SUITE, OptionalSuites, optional_suites, titles_of
from prompts_app.facts import (
    Judgement,
    judge,
    judge_automatic,
    live_deployment,
    member_refusal,
    override_refusals,
)
from prompts_app.gates import Blocker, Level, entitled, lacks_reviewer, standing, what_changed
from prompts_app.models import (
    Approval,
    Deployment,
    Environment,
    Override,
    PolicyVersion,
    Promotion,
    PromptVersion,
    Vote,
)
from prompts_app.models.promotion import PromotionQuerySet
from prompts_app.obstacle_queries import with_stops
from prompts_app.policy import Policy
from registry.core.actor import Actor, Role
from registry.core.models import Invitation
from registry.core.people_queries import People, either, listed, people_of
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
    """A required check as it counts here; `title` is its suite's, or empty; `is_starting`: its run is about to start by itself."""

    name: str
    title: str
    state: str
    url: str
    created_at: datetime | None
    is_safety: bool
    is_starting: bool


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

    `people` are those one could ask, `ready_by` is who set it to be applied by itself, in whose name that can be done; empty
    where nobody. `newer` is the last one opened since for the same prompt and environment, `below` the one of the same
    content to the stage below; both are pending, as this one is. `invited` are those who could approve once they join, in words;
    looked for where nobody here can. `since`: what went live since it was opened. `optional` are suites that could be required, where too few are. `may_review_override`: it
    was overridden, nobody has reviewed that yet, and this reader can. `may_dismiss`: a request for changes, if there is one.
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
    may_dismiss: bool
    may_apply: bool
    may_override: bool
    people: People
    ready_by: str
    reader: int | None = None
    newer: Promotion | None = None
    below: Promotion | None = None
    invited: str = ""
    optional: OptionalSuites | None = None
    since: Since | None = None

    @property
    def appliers(self) -> str:
        """Who may apply it, in words."""
        return either(self.people.who_may(Permission.APPLY)) or "Nobody here yet"

    @property
    def overriders(self) -> str:
        """Who may override what stands in the way, in words; empty where nobody here does."""
        return either(self.people.who_may(Permission.OVERRIDE))

    @property
    def my_vote(self) -> VoteLine | None:
        """The reader's own vote, and how it counts."""
        return next((line for line in self.votes if self.mine and line.approval.pk == self.mine.pk), None)

    @property
    def needs_approvals(self) -> bool:
        """Whether one more approval would bring it nearer to going live."""
        return len(self.judgement.facts.valid_approvals()) < self.judgement.policy.approvals

    @property
    def has_my_approval(self) -> bool:
        """Whether the reader approves of exactly this already, so that approving again would change nothing."""
        return self.my_vote is not None and self.my_vote.approves and self.my_vote.state == "valid"

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
        return tuple(check for check in self.checks if check.name.startswith(SUITE))

    @property
    def outside_checks(self) -> tuple[CheckLine, ...]:
        """Those that other systems answer."""
        return tuple(check for check in self.checks if not check.name.startswith(SUITE))

    @property
    def titles(self) -> Mapping[str, str]:
        """Titles of the checks that have one, by name."""
        return {check.name: check.title for check in self.checks if check.title}

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


@dataclass(frozen=True)
class Happening:
    """Something on a promotion's timeline; `kind` is opened, a vote, comment, a turn's, applied, or how it ended."""

    at: datetime
    kind: str
    who: str
    text: str
    thread: Thread | None = None

    @property
    def has_words(self) -> bool:
        """Whether its text is somebody's own words, told below what happened."""
        return self.kind not in ("opened", "scheduled", "rebased")

    @property
    def moment(self) -> datetime | None:
        """When it is due, where that is what happened."""
        return datetime.fromisoformat(self.text) if self.kind == "scheduled" else None


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


@dataclass(frozen=True)
class KeptBack:
    """An environment that takes new versions at once and has not taken one, with what stands in its way now."""

    environment: Environment
    blockers: tuple[Blocker, ...]


def kept_back(version: PromptVersion, policies: Mapping[Environment, PolicyVersion]) -> tuple[KeptBack, ...]:
    """Where the newest version of a prompt should be live by itself and is not; about ten queries for each place."""
    prompt = version.prompt
    if version.number != prompt.last_number or prompt.is_archived or hasattr(version, "yank"):
        return ()
    found = []
    for environment, row in policies.items():
        policy = row.load()
        live = live_deployment(prompt, environment) if policy.auto_apply else None
        if policy.auto_apply and not (live and live.version and live.version.digest == version.digest):
            judgement = judge_automatic(version, environment, policy)
            titles = titles_of(prompt.workspace_id, [check.name for check in judgement.facts.checks])
            found.append(KeptBack(environment, entitled(standing(judgement.blockers), titles)))
    return tuple(found)


def promotions(workspace_id: int, chosen: Filter, *, page: str | int | None = 1) -> "Page[Promotion]":
    """One page of promotions with what stops them, newest first; two queries."""
    rows = with_stops(_listed(workspace_id))
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
    """Everything about one promotion, for one reader; about 20 queries. Load it by `find_promotion`."""
    judgement = judge(promotion, actor)
    policy = judgement.policy
    override = Override.objects.filter(promotion=promotion).select_related("by__user", "reviewed_by__user").first()
    refusal = _refusal(actor, judgement.excluded)
    lacks_suites = judgement.facts.required_suites < policy.min_suites
    newer, below = _beside(promotion, judgement) if promotion.is_pending else (None, None)
    workspace_id = promotion.prompt.workspace_id
    titles = titles_of(workspace_id, [check.name for check in judgement.facts.checks])
    return Review(
        promotion=promotion,
        judgement=judgement,
        live=judgement.live,
        votes=tuple(_vote_lines(judgement)),
        checks=tuple(_check_lines(judgement, titles)),
        threads=threads_of(promotion),
        refusal=refusal,
        mine=next((one for one in judgement.approvals if one.member_id == actor.member_id), None),
        override=override,
        may_review_override=_may_review_override(actor, promotion, override),
        may_dismiss=allows(actor, Permission.ADMINISTER) and not refusal and promotion.is_pending,
        may_apply=allows(actor, Permission.APPLY, protected=policy.protected),
        may_override=allows(actor, Permission.OVERRIDE) and policy.allow_override,
        people=people_of(workspace_id),
        ready_by=_ready_by(promotion, policy),
        reader=actor.member_id,
        newer=newer,
        below=below,
        invited=_invited(actor, judgement),
        optional=optional_suites(workspace_id, promotion.prompt_id) if lacks_suites else None,
        since=since_opened(promotion, judgement.live) if promotion.is_pending else None,
    )


def _invited(actor: Actor, judgement: Judgement) -> str:
    """Who is invited and could approve; by name to those who may invite. One query where a reviewer is missing."""
    if not any(lacks_reviewer(blocker) for blocker in judgement.blockers):
        return ""
    rows = Invitation.objects.in_workspace(actor.workspace_id).open().at_least(Role.REVIEWER).order_by("pk")
    is_told = allows(actor, Permission.ADMINISTER)
    return listed([note if note and is_told else "a reviewer" for note in rows.values_list("note", flat=True)])


def _beside(promotion: Promotion, judgement: Judgement) -> tuple[Promotion | None, Promotion | None]:
    """The newest opened since to the same place, and the newest of the same content to the stage below; one query."""
    before = judgement.facts.predecessor
    newer = Q(environment=promotion.environment, pk__gt=promotion.pk)
    below = Q(environment__name=before.environment if before else "", version__digest=promotion.version.digest)
    rows = Promotion.objects.pending().filter(newer | below, prompt=promotion.prompt)
    found = list(rows.select_related("version", "environment").order_by("-pk"))
    here = next((row for row in found if row.environment_id == promotion.environment_id), None)
    return here, next((row for row in found if row.environment_id != promotion.environment_id), None)


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
    found += [Happening(turn.at, turn.kind, turn.who, turn.text) for turn in promotion.story]
    if promotion.deployment is not None:
        found.append(Happening(promotion.deployment.created_at, "applied", promotion.deployment.actor_name, ""))
    elif promotion.ended_at is not None and not any(turn.kind == promotion.state for turn in promotion.story):
        found.append(Happening(promotion.ended_at, promotion.state, "", promotion.note))
    return sorted(found, key=lambda one: one.at)


def _listed(workspace_id: int) -> PromotionQuerySet:
    rows = Promotion.objects.in_workspace(workspace_id)
    return rows.select_related("prompt", "version__prompt", "environment", "author__user").order_by("-pk")


def _may_review_override(actor: Actor, promotion: Promotion, override: Override | None) -> bool:
    if override is None or override.reviewed_at is not None or not allows(actor, Permission.REVIEW):
        return False
    return actor.member_id not in override_refusals(promotion, override)


def _refusal(actor: Actor, excluded: Mapping[int, str]) -> str:
    if not allows(actor, Permission.WRITE):
        return "You can read this. Commenting takes the role editor, approving the role reviewer."
    if not allows(actor, Permission.REVIEW):
        return "You can read and comment. Approving takes the role reviewer or above."
    why = excluded.get(actor.member_id or 0, "")
    return f"Somebody else has to approve: you {why}." if why else ""


def _ready_by(promotion: Promotion, policy: Policy) -> str:
    who = promotion.ready_by
    return who.user.name if who is not None and not member_refusal(who, policy) else ""


def _vote_lines(judgement: Judgement) -> Iterable[VoteLine]:
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


def _check_lines(judgement: Judgement, titles: Mapping[str, str]) -> Iterable[CheckLine]:
    days = judgement.policy.max_age_days
    for check in judgement.facts.checks:
        state, is_starting = check.counts_as(judgement.now, days), check.is_starting(judgement.now, days)
        title = titles.get(check.name, "")
        yield CheckLine(check.name, title, state, check.url, check.created_at, check.is_safety, is_starting)
