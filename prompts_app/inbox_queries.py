"""The reviews inbox: what a person can move on, what they asked for, what went stale, each with what to do about it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import connection
from django.db.models import Count, OuterRef, Q

from prompts_app.asked_evidence import is_asked_for
from prompts_app.evaluation import SUITE, called, titles_of
from prompts_app.facts import stands, subject_of
from prompts_app.gates import CheckFact, evidence_key
from prompts_app.models import (
    Approval,
    CheckDefinitionChange,
    LivePointer,
    PolicyVersion,
    Promotion,
    PromotionState,
    RequiredCheck,
    VersionCheck,
    Vote,
)
from prompts_app.models.promotion import PromotionQuerySet
from prompts_app.policy import Policy, stricter
from registry.core.actor import Actor
from registry.core.clock import database_now
from registry.core.permissions import Permission, allows

RELATED = ("prompt", "version", "base__version")
INBOX_SIZE = 200
# Long texts that no row shows.
UNREAD_OF_VERSION = ("content", "source", "message")
UNREAD_OF_PROMPT = ("prompt__searchable", "prompt__search", "prompt__description")

CHAIN = """
WITH RECURSIVE chain AS (
  SELECT asked.promotion, version.prompt_id, version.author_id, version.key_name, version.based_on, asked.live
  FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS asked(promotion, prompt, number, live)
  JOIN prompts_app_promptversion version ON version.prompt_id = asked.prompt AND version.number = asked.number
  WHERE asked.number IS DISTINCT FROM asked.live
  UNION
  SELECT chain.promotion, version.prompt_id, version.author_id, version.key_name, version.based_on, chain.live
  FROM chain JOIN prompts_app_promptversion version
    ON version.prompt_id = chain.prompt_id AND version.number = chain.based_on
  WHERE chain.based_on IS DISTINCT FROM chain.live
)
SELECT promotion, author_id FROM chain
UNION
SELECT chain.promotion, key.made_by_id
FROM (SELECT promotion, key_name FROM chain UNION SELECT id, key_name FROM prompts_app_promotion WHERE id = ANY(%s)) chain
JOIN core_apikey key ON key.workspace_id = %s AND key.kind = 'ci' AND key.name = chain.key_name
WHERE chain.key_name <> '' AND key.made_by_id IS NOT NULL
"""


@dataclass(frozen=True)
class InboxRow:
    """A promotion for one person: what they could do (`todo`, with its tone), how its evidence and approvals stand."""

    promotion: Promotion
    todo: str
    tone: str
    checks: tuple[tuple[str, str], ...]
    approvals: int
    needed: int
    comments: int


@dataclass(frozen=True)
class Inbox:
    """What concerns one person: to vote on, to apply, asked for by them, gone stale among their votes, and what went live
    over what stood in its way and nobody has reviewed. `is_cut`: there are more open promotions than are looked at."""

    waiting: tuple[InboxRow, ...]
    to_apply: tuple[InboxRow, ...]
    asked: tuple[InboxRow, ...]
    stale: tuple[InboxRow, ...]
    overridden: tuple[InboxRow, ...]
    is_cut: bool = False


@dataclass(frozen=True)
class _Live:
    """The deployment that is live in a promotion's place; its version is None after a withdrawal."""

    pk: int
    created_at: datetime
    number: int | None
    digest: str | None


@dataclass(frozen=True)
class Known:
    """What is known of one pending promotion without judging it; `checks` and what follows only where they were asked for."""

    policy: Policy
    live: _Live | None
    votes: tuple[Approval, ...]
    excluded: frozenset[int]
    subject: str
    checks: tuple[tuple[str, str], ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    comments: int = 0
    is_asked_for: bool = False

    @property
    def approvals(self) -> int:
        """How many approve of it as it is now and may."""
        return sum(self._counts(vote) for vote in self.votes)

    @property
    def objectors(self) -> list[str]:
        """Who asked for changes."""
        return [vote.member_name for vote in self.votes if vote.vote == Vote.REQUEST_CHANGES]

    @property
    def is_short(self) -> bool:
        """Whether approvals are missing."""
        return self.approvals < self.policy.approvals

    def vote_of(self, member_id: int | None) -> Approval | None:
        """That person's vote that stands; None for none."""
        return next((vote for vote in self.votes if vote.member_id == member_id), None)

    def waits_for(self, member_id: int | None) -> bool:
        """Whether a vote is missing and this person, a reviewer, may give it and has not."""
        return self.is_short and member_id not in self.excluded and self.vote_of(member_id) is None

    def in_state(self, *states: str) -> list[str]:
        """What the required checks that count as one of these are called."""
        return [called(name, self.titles).removeprefix(SUITE) for name, state in self.checks if state in states]

    def _counts(self, vote: Approval) -> bool:
        return vote.vote == Vote.APPROVE and vote.subject_hash == self.subject and vote.member_id not in self.excluded


def pending_in(workspace_id: int, *related: str) -> tuple[list[Promotion], bool]:
    """The newest open promotions, and whether there are more than these."""
    rows = _newest(workspace_id, *related).pending()
    found = list(rows[: INBOX_SIZE + 1])
    return found[:INBOX_SIZE], len(found) > INBOX_SIZE


def _newest(workspace_id: int, *related: str) -> PromotionQuerySet:
    """Promotions, the newest first, without the long texts of what they relate to."""
    unread = [*UNREAD_OF_PROMPT, *(f"version__{name}" for name in UNREAD_OF_VERSION)]
    if "base__version" in related:
        unread += [f"base__version__{name}" for name in UNREAD_OF_VERSION]
    return Promotion.objects.in_workspace(workspace_id).order_by("-pk").select_related(*related).defer(*unread)


def inbox(actor: Actor) -> Inbox:
    """The promotions that a person can move on; thirteen queries at most, whatever their number."""
    pending, is_cut = pending_in(actor.workspace_id, *RELATED)
    known = _with_evidence(pending, known_of(pending))
    waiting: list[InboxRow] = []
    to_apply: list[InboxRow] = []
    asked: list[InboxRow] = []
    stale: list[InboxRow] = []
    for promotion in pending:
        one = known[promotion.pk]
        mine = one.vote_of(actor.member_id)
        may_vote = allows(actor, Permission.REVIEW) and actor.member_id not in one.excluded
        if allows(actor, Permission.REVIEW) and mine and mine.vote == Vote.APPROVE and mine.subject_hash != one.subject:
            stale.append(_row(promotion, one, *_for_stale(may_vote=may_vote)))
        elif may_vote and one.waits_for(actor.member_id):
            waiting.append(_row(promotion, one, *_for_reviewer(one)))
        elif promotion.author_id != actor.member_id and _is_due(promotion, one, actor):
            to_apply.append(_row(promotion, one, "Apply it: it has its evidence and its approvals", "pass"))
        if promotion.author_id == actor.member_id:
            asked.append(_row(promotion, one, *_for_author(promotion, one, actor)))
    overridden = _overridden(actor) if allows(actor, Permission.REVIEW) else ()
    return Inbox(tuple(waiting), tuple(to_apply), tuple(asked), tuple(stale), overridden, is_cut=is_cut)


def _overridden(actor: Actor) -> tuple[InboxRow, ...]:
    """What went live over what stood in its way and nobody has looked at since; whoever may is told on its page. One query."""
    rows = _newest(actor.workspace_id, *RELATED, "environment", "override").filter(override__reviewed_at=None)
    return tuple(_for_override(row, actor) for row in rows.exclude(override=None)[:INBOX_SIZE])


def _for_override(promotion: Promotion, actor: Actor) -> InboxRow:
    if actor.member_id in (promotion.author_id, promotion.override.by_id):
        todo, tone = "Nothing: it waits for somebody else to look at it", "idle"
    else:
        todo, tone = "Read what stood in its way, and say that you looked", "warn"
    return InboxRow(promotion, todo, tone, checks=(), approvals=0, needed=0, comments=0)


def _row(promotion: Promotion, known: Known, todo: str, tone: str) -> InboxRow:
    return InboxRow(promotion, todo, tone, known.checks, known.approvals, known.policy.approvals, known.comments)


def _for_reviewer(known: Known) -> tuple[str, str]:
    if failed := known.in_state("failed"):
        return f"Look at what got worse, and ask for changes: {_listed(failed)} failed", "fail"
    if broken := known.in_state("error"):
        return f"Read it: {_listed(broken)} could not be judged yet", "warn"
    if known.in_state("pending", "missing", "stale"):
        return "Read it while its evidence is gathered", "info"
    if known.in_state("inconclusive"):
        return "Look at the evidence: it does not settle it", "warn"
    return "Approve it, or ask for changes", "accent"


def _for_stale(*, may_vote: bool) -> tuple[str, str]:
    if not may_vote:
        return "Nothing: you can no longer approve this one", "idle"
    return "Look at what changed, and approve again", "warn"


def _for_author(promotion: Promotion, known: Known, actor: Actor) -> tuple[str, str]:
    """The first of what stands in the way that somebody can do something about."""
    if promotion.base_id != (known.live.pk if known.live else None):
        return "Rebase it: something else went live since", "fail"
    if known.objectors:
        return f"Answer {_listed(known.objectors)}: changes were asked for", "fail"
    if promotion.state == PromotionState.SUSPENDED:
        return "Resume it, or close it: its time came while something was in the way", "warn"
    if failed := known.in_state("failed"):
        return f"Improve the version: {_listed(failed)} failed", "fail"
    if broken := known.in_state("error"):
        return f"See why {_listed(broken)} could not be judged, and run it again", "fail"
    if lacking := known.in_state("missing", "stale"):
        starts = f"Wait for {_listed(lacking)}: it starts by itself in a moment", "info"
        return starts if known.is_asked_for else (f"Run {_listed(lacking)}: it has not answered for this", "warn")
    if unsure := known.in_state("inconclusive"):
        return f"Give {_listed(unsure)} more cases or repeats: it does not settle it", "warn"
    if running := known.in_state("pending"):
        return f"Wait for {_listed(running)}", "info"
    if known.is_short:
        return f"Wait for reviewers: {known.approvals} of {known.policy.approvals} approvals", "info"
    if promotion.state == PromotionState.SCHEDULED:
        return "Nothing: it goes live by itself at its time", "pass"
    can_apply = allows(actor, Permission.APPLY, protected=known.policy.protected)
    return ("Apply it, if nothing else is in the way" if can_apply else "Ask a releaser to apply it"), "pass"


def _is_due(promotion: Promotion, known: Known, actor: Actor) -> bool:
    return (
        promotion.state == PromotionState.OPEN
        and allows(actor, Permission.APPLY, protected=known.policy.protected)
        and promotion.base_id == (known.live.pk if known.live else None)
        and not known.is_short
        and not known.objectors
        and all(state == "passed" for _, state in known.checks)
    )


def known_of(pending: Sequence[Promotion]) -> dict[int, Known]:
    """What decides who may vote on each of them, by id; six queries."""
    if not pending:
        return {}
    live = _live(pending)
    policies = _policies(pending)
    votes, chains = _votes(pending), _chains(pending, live)
    editors = _suite_editors(pending, live, policies)
    return {
        row.pk: Known(
            policy=policies[row.pk],
            live=live[row.pk],
            votes=tuple(votes[row.pk]),
            excluded=frozenset({row.author_id} | chains[row.pk] | editors[row.pk]),
            subject=subject_of(row).hash,
        )
        for row in pending
    }


def _with_evidence(pending: Sequence[Promotion], known: dict[int, Known]) -> dict[int, Known]:
    """The same with their checks, how many remarks are open, and whether they have just asked for their evidence."""
    if not pending:
        return {}
    workspace, policies = pending[0].prompt.workspace_id, {pk: one.policy for pk, one in known.items()}
    checks = _checks(pending, {pk: one.live for pk, one in known.items()}, policies, database_now())
    remarks = Count("comments", filter=Q(comments__reply_to=None, comments__resolved_at=None))
    asked = is_asked_for(workspace, OuterRef("pk"))
    rows = Promotion.objects.in_workspace(workspace).filter(pk__in=known).annotate(remarks=remarks, asked=asked)
    titles = titles_of(workspace, [name for found in checks.values() for name, _ in found])
    return {
        pk: replace(known[pk], checks=checks[pk], titles=titles, comments=count, is_asked_for=is_asked)
        for pk, count, is_asked in rows.values_list("pk", "remarks", "asked")
    }


def _policies(pending: Sequence[Promotion]) -> dict[int, Policy]:
    """The stricter of the rules when each was opened and now; the rows get their environments from it. One query."""
    latest = PolicyVersion.objects.filter(environment__in={row.environment_id for row in pending})
    latest = latest.order_by("environment", "-number").distinct("environment")
    wanted = Q(pk__in={row.policy_opened_id for row in pending}) | Q(pk__in=latest.values("pk"))
    found = {one.pk: one for one in PolicyVersion.objects.filter(wanted).select_related("environment")}
    current = {one.environment_id: one for one in sorted(found.values(), key=lambda one: one.number)}
    for row in pending:
        row.environment = current[row.environment_id].environment
    pairs = {(row.policy_opened_id, current[row.environment_id].pk) for row in pending}
    rules = {pair: stricter(*(found[pk].load() for pk in pair)) for pair in pairs}
    return {row.pk: rules[row.policy_opened_id, current[row.environment_id].pk] for row in pending}


def _live(pending: Sequence[Promotion]) -> dict[int, _Live | None]:
    rows = LivePointer.objects.live().filter(prompt__in={row.prompt_id for row in pending})
    parts = ("pk", "created_at", "version__number", "version__digest")
    fields = ("prompt", "environment", *(f"deployment__{name}" for name in parts))
    found = {(prompt, environment): _Live(*rest) for prompt, environment, *rest in rows.values_list(*fields)}
    return {row.pk: found.get((row.prompt_id, row.environment_id)) for row in pending}


def _votes(pending: Sequence[Promotion]) -> dict[int, list[Approval]]:
    """Each person's latest vote that stands, for each promotion."""
    rows = Approval.objects.filter(promotion__in=pending).order_by("promotion", "member", "-pk")
    by_id = {promotion.pk: promotion for promotion in pending}
    found: dict[int, list[Approval]] = defaultdict(list)
    for row in rows.distinct("promotion", "member"):
        if stands(row, by_id[row.promotion_id]):
            found[row.promotion_id].append(row)
    return found


def _chains(pending: Sequence[Promotion], live: dict[int, _Live | None]) -> dict[int, set[int]]:
    """Who wrote what would change: authors from the candidate back to what is live, and who made the keys it took."""
    numbers = [one.number if (one := live[row.pk]) else None for row in pending]
    asked = (
        [row.pk for row in pending],
        [row.prompt_id for row in pending],
        [row.version.number for row in pending],
        numbers,
        [row.pk for row in pending],
        pending[0].prompt.workspace_id if pending else 0,
    )
    found: dict[int, set[int]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(CHAIN, asked)
        for promotion, author in cursor.fetchall():
            found[promotion].add(author)
    return found


def _suite_editors(
    pending: Sequence[Promotion], live: dict[int, _Live | None], policies: dict[int, Policy]
) -> dict[int, set[int]]:
    """Who changed since the live deployment what a promotion's gate rests on."""
    prompts = {row.prompt_id for row in pending}
    made = CheckDefinitionChange.objects.filter(by__isnull=False)
    own = made.filter(prompt__in=prompts).values_list("prompt", "by_id", "at")
    of_required = made.filter(prompt=None, definition__required_by__prompt__in=prompts)
    changes = list(of_required.values_list("definition__required_by__prompt", "by_id", "at").union(own))
    found: dict[int, set[int]] = defaultdict(set)
    for row in pending:
        since = one.created_at if (one := live[row.pk]) else None
        if policies[row.pk].require_suites:
            found[row.pk] = {
                by for prompt, by, at in changes if prompt == row.prompt_id and (since is None or at > since)
            }
    return found


def _checks(
    pending: Sequence[Promotion], live: dict[int, _Live | None], policies: dict[int, Policy], now: datetime
) -> dict[int, tuple[tuple[str, str], ...]]:
    """The required checks of each promotion, as they count now."""
    required: dict[int, list[tuple[str, str]]] = defaultdict(list)
    rows = RequiredCheck.objects.filter(prompt__in={row.prompt_id for row in pending})
    for prompt, name, recipe in rows.values_list("prompt", "definition__name", "definition__recipe"):
        required[prompt].append((name, recipe))
    posted = VersionCheck.objects.filter(
        prompt__in={row.prompt_id for row in pending}, digest__in={row.version.digest for row in pending}
    )
    fields = ("prompt", "digest", "name", "baseline_digest", "evidence_key")
    newest: dict[tuple[int, str, str], list[VersionCheck]] = defaultdict(list)
    for check in posted.order_by(*fields, "-pk").distinct(*fields):
        newest[check.prompt_id, check.digest, check.name].append(check)
    found = {}
    for row in pending:
        policy, digest = policies[row.pk], row.version.digest
        baseline = one.digest if (one := live[row.pk]) else None
        wanted = [
            (name, evidence_key(digest, baseline, recipe))
            for name, recipe in (sorted(required[row.prompt_id]) if policy.require_suites else [])
        ]
        wanted += [(name, "") for name in policy.external_checks]
        facts = [_fact(name, key, baseline, newest[row.prompt_id, digest, name]) for name, key in wanted]
        found[row.pk] = tuple((fact.name, fact.counts_as(now, policy.max_age_days)) for fact in facts)
    return found


def _fact(name: str, key: str, baseline: str | None, posted: Sequence[VersionCheck]) -> CheckFact:
    """What was posted on the evidence expected, else the newest on other evidence."""
    fitting = [one for one in posted if not key or one.baseline_digest == baseline]
    row = max(fitting, key=lambda one: (one.evidence_key == key, one.pk), default=None)
    if row is None:
        return CheckFact(name, expected_key=key)
    return CheckFact(name, row.state, row.created_at, row.evidence_key, key)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
