"""The reviews inbox: what a person can move on, what they asked for, what went stale, each with what to do about it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Q

from prompts_app.facts import current_policies, stands, subject_of
from prompts_app.gates import CheckFact, evidence_key
from prompts_app.models import (
    Approval,
    CheckDefinitionChange,
    Comment,
    Deployment,
    LivePointer,
    Promotion,
    PromotionState,
    RequiredCheck,
    VersionCheck,
    Vote,
)
from prompts_app.policy import Policy, stricter
from registry.core.actor import Actor
from registry.core.clock import database_now
from registry.core.permissions import Permission, allows

INBOX_SIZE = 200

CHAIN = """
WITH RECURSIVE chain AS (
  SELECT asked.promotion, version.prompt_id, version.author_id, version.based_on, asked.live
  FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS asked(promotion, prompt, number, live)
  JOIN prompts_app_promptversion version ON version.prompt_id = asked.prompt AND version.number = asked.number
  WHERE asked.number IS DISTINCT FROM asked.live
  UNION
  SELECT chain.promotion, version.prompt_id, version.author_id, version.based_on, chain.live
  FROM chain JOIN prompts_app_promptversion version
    ON version.prompt_id = chain.prompt_id AND version.number = chain.based_on
  WHERE chain.based_on IS DISTINCT FROM chain.live
)
SELECT DISTINCT promotion, author_id FROM chain
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
    """What concerns one person: to vote on, to apply, asked for by them, gone stale among their votes."""

    waiting: tuple[InboxRow, ...]
    to_apply: tuple[InboxRow, ...]
    asked: tuple[InboxRow, ...]
    stale: tuple[InboxRow, ...]


@dataclass(frozen=True)
class _Known:
    """What is known of one pending promotion without judging it."""

    policy: Policy
    live: Deployment | None
    votes: tuple[Approval, ...]
    excluded: frozenset[int]
    checks: tuple[tuple[str, str], ...]
    comments: int
    subject: str

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

    def in_state(self, *states: str) -> list[str]:
        """Names of the required checks that count as one of these."""
        return [name for name, state in self.checks if state in states]

    def _counts(self, vote: Approval) -> bool:
        return vote.vote == Vote.APPROVE and vote.subject_hash == self.subject and vote.member_id not in self.excluded


def inbox(actor: Actor) -> Inbox:
    """The open promotions that a person can move on; twelve queries at most, whatever their number."""
    rows = Promotion.objects.in_workspace(actor.workspace_id).pending().order_by("-pk")
    related = ("prompt", "version__prompt", "environment", "author__user", "policy_opened", "base__version")
    pending = list(rows.select_related(*related)[:INBOX_SIZE])
    known = _known(pending)
    waiting: list[InboxRow] = []
    to_apply: list[InboxRow] = []
    asked: list[InboxRow] = []
    stale: list[InboxRow] = []
    for promotion in pending:
        one = known[promotion.pk]
        mine = next((vote for vote in one.votes if vote.member_id == actor.member_id), None)
        may_vote = allows(actor, Permission.REVIEW) and actor.member_id not in one.excluded
        if allows(actor, Permission.REVIEW) and mine and mine.vote == Vote.APPROVE and mine.subject_hash != one.subject:
            stale.append(_row(promotion, one, *_for_stale(one, may_vote=may_vote)))
        elif mine is None and may_vote and one.is_short:
            waiting.append(_row(promotion, one, *_for_reviewer(one)))
        elif promotion.author_id != actor.member_id and _is_due(promotion, one, actor):
            to_apply.append(_row(promotion, one, "Apply it: it has its evidence and its approvals", "pass"))
        if promotion.author_id == actor.member_id:
            asked.append(_row(promotion, one, *_for_author(promotion, one, actor)))
    return Inbox(tuple(waiting), tuple(to_apply), tuple(asked), tuple(stale))


def _row(promotion: Promotion, known: _Known, todo: str, tone: str) -> InboxRow:
    return InboxRow(promotion, todo, tone, known.checks, known.approvals, known.policy.approvals, known.comments)


def _for_reviewer(known: _Known) -> tuple[str, str]:
    if failed := known.in_state("failed"):
        return f"Look at what got worse, and ask for changes: {_listed(failed)} failed", "fail"
    if broken := known.in_state("error"):
        return f"Read it: {_listed(broken)} could not be judged yet", "warn"
    if known.in_state("pending", "missing", "stale"):
        return "Read it while its evidence is gathered", "info"
    if known.in_state("inconclusive"):
        return "Look at the evidence: it does not settle it", "warn"
    return "Approve it, or ask for changes", "accent"


def _for_stale(known: _Known, *, may_vote: bool) -> tuple[str, str]:
    if not may_vote:
        return "Nothing: you can no longer approve this one", "idle"
    return "Look at what changed, and approve again", "warn"


def _for_author(promotion: Promotion, known: _Known, actor: Actor) -> tuple[str, str]:
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
        return f"Run {_listed(lacking)}: it has not answered for this", "warn"
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


def _is_due(promotion: Promotion, known: _Known, actor: Actor) -> bool:
    return (
        promotion.state == PromotionState.OPEN
        and allows(actor, Permission.APPLY, protected=known.policy.protected)
        and promotion.base_id == (known.live.pk if known.live else None)
        and not known.is_short
        and not known.objectors
        and all(state == "passed" for _, state in known.checks)
    )


def _known(pending: Sequence[Promotion]) -> dict[int, _Known]:
    if not pending:
        return {}
    live = _live(pending)
    now = database_now()
    current = current_policies({promotion.environment for promotion in pending})
    policies = {row.pk: stricter(row.policy_opened.load(), current[row.environment_id].load()) for row in pending}
    votes, chains = _votes(pending), _chains(pending, live)
    editors, checks = _suite_editors(pending, live, policies), _checks(pending, live, policies, now)
    open_remarks = Q(reply_to=None, resolved_at=None)
    counted = Comment.objects.filter(open_remarks, promotion__in=pending).order_by().values("promotion")
    comments = dict(counted.annotate(count=Count("pk")).values_list("promotion", "count"))
    return {
        row.pk: _Known(
            policy=policies[row.pk],
            live=live[row.pk],
            votes=tuple(votes[row.pk]),
            excluded=frozenset({row.author_id} | chains[row.pk] | editors[row.pk]),
            checks=checks[row.pk],
            comments=comments.get(row.pk, 0),
            subject=subject_of(row).hash,
        )
        for row in pending
    }


def _live(pending: Sequence[Promotion]) -> dict[int, Deployment | None]:
    pointers = LivePointer.objects.live().filter(prompt__in={row.prompt_id for row in pending})
    found = {
        (pointer.prompt_id, pointer.environment_id): pointer.deployment
        for pointer in pointers.select_related("deployment__version")
    }
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


def _chains(pending: Sequence[Promotion], live: dict[int, Deployment | None]) -> dict[int, set[int]]:
    """Who wrote what would change: authors from the candidate back to what is live."""
    numbers = [one.version.number if (one := live[row.pk]) and one.version else None for row in pending]
    asked = (
        [row.pk for row in pending],
        [row.prompt_id for row in pending],
        [row.version.number for row in pending],
        numbers,
    )
    found: dict[int, set[int]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(CHAIN, asked)
        for promotion, author in cursor.fetchall():
            found[promotion].add(author)
    return found


def _suite_editors(
    pending: Sequence[Promotion], live: dict[int, Deployment | None], policies: dict[int, Policy]
) -> dict[int, set[int]]:
    """Who changed since the live deployment what a promotion's gate rests on."""
    prompts = {row.prompt_id for row in pending}
    made = CheckDefinitionChange.objects.filter(by__isnull=False)
    of_required = made.filter(prompt=None, definition__required_by__prompt__in=prompts)
    changes = [
        *of_required.values_list("definition__required_by__prompt", "by_id", "at"),
        *made.filter(prompt__in=prompts).values_list("prompt", "by_id", "at"),
    ]
    found: dict[int, set[int]] = defaultdict(set)
    for row in pending:
        since = one.created_at if (one := live[row.pk]) else None
        if policies[row.pk].require_suites:
            found[row.pk] = {
                by for prompt, by, at in changes if prompt == row.prompt_id and (since is None or at > since)
            }
    return found


def _checks(
    pending: Sequence[Promotion], live: dict[int, Deployment | None], policies: dict[int, Policy], now: datetime
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
        baseline = one.version.digest if (one := live[row.pk]) and one.version else None
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
    shown = [name.removeprefix("suite/") for name in names]
    return shown[0] if len(shown) == 1 else f"{shown[0]} and {len(shown) - 1} more"
