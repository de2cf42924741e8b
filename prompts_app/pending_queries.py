"""Every open promotion of a workspace at once: what decides who may vote on each, and how its evidence stands."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import connection
from django.db.models import Count, OuterRef, Q, Subquery

from prompts_app.asked_evidence import is_asked_for
from prompts_app.evaluation import SUITE, Answer, called, titles_of
from prompts_app.facts import stands, subject_of
from prompts_app.gates import CheckFact, evidence_key
from prompts_app.models import (
    Approval,
    CheckDefinitionChange,
    Deployment,
    DeploymentKind,
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
from registry.core.clock import database_now

INBOX_SIZE = 200
# Long texts that no row shows.
UNREAD_OF_VERSION = ("content", "source", "message")
UNREAD_OF_PROMPT = ("prompt__searchable", "prompt__search", "prompt__description")

CHAIN = """
WITH RECURSIVE chain AS (
  SELECT asked.promotion, version.prompt_id, version.author_id, version.key_name, version.based_on, asked.live,
    asked.number AS asked
  FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS asked(promotion, prompt, number, live)
  JOIN prompts_app_promptversion version ON version.prompt_id = asked.prompt AND version.number = asked.number
  WHERE asked.number IS DISTINCT FROM asked.live
  UNION
  SELECT chain.promotion, version.prompt_id, version.author_id, version.key_name, version.based_on, chain.live,
    chain.asked
  FROM chain JOIN prompts_app_promptversion version
    ON version.prompt_id = chain.prompt_id AND version.number = chain.based_on
  WHERE chain.based_on IS DISTINCT FROM chain.live
)
SELECT promotion, author_id FROM chain
UNION
SELECT taken.promotion, earlier.author_id
FROM (SELECT DISTINCT promotion, prompt_id, key_name, asked FROM chain WHERE key_name <> '') taken
JOIN prompts_app_promptversion earlier
  ON earlier.prompt_id = taken.prompt_id AND earlier.key_name = taken.key_name AND earlier.number <= taken.asked
UNION
SELECT chain.promotion, key.made_by_id
FROM (SELECT promotion, key_name FROM chain UNION SELECT id, key_name FROM prompts_app_promotion WHERE id = ANY(%s)) chain
JOIN core_apikey key ON key.workspace_id = %s AND key.kind = 'ci' AND key.name = chain.key_name
WHERE chain.key_name <> '' AND key.made_by_id IS NOT NULL
"""


@dataclass(frozen=True)
class _Live:
    """The deployment that is live in a promotion's place; its version is None after a withdrawal.

    `passed_at`: when something last came there through the gate.
    """

    pk: int
    passed_at: datetime
    number: int | None
    digest: str | None


@dataclass(frozen=True)
class Known:
    """What is known of one pending promotion without judging it; `checks` and what follows only where they were asked for.

    `required` are the facts behind `checks`, `suites` how many suites are required of the prompt.
    """

    policy: Policy
    live: _Live | None
    votes: tuple[Approval, ...]
    excluded: frozenset[int]
    subject: str
    checks: tuple[Answer, ...] = ()
    required: tuple[CheckFact, ...] = ()
    suites: int = 0
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

    @property
    def has_all(self) -> bool:
        """Whether it has the approvals and the evidence that are asked for, and nobody asked for changes."""
        return not self.is_short and not self.objectors and all(state == "passed" for _, state in self.checks)

    def is_due(self, promotion: Promotion) -> bool:
        """Whether only applying it is left."""
        is_current = promotion.base_id == (self.live.pk if self.live else None)
        return promotion.state == PromotionState.OPEN and is_current and self.has_all

    def is_stale_for(self, member_id: int | None) -> bool:
        """Whether this person approved of it as it was once."""
        mine = self.vote_of(member_id)
        return mine is not None and mine.vote == Vote.APPROVE and mine.subject_hash != self.subject

    def in_state(self, *states: str) -> list[str]:
        """What the required checks that count as one of these are called."""
        return [called(name, self.titles).removeprefix(SUITE) for name, state in self.checks if state in states]

    def _counts(self, vote: Approval) -> bool:
        return vote.vote == Vote.APPROVE and vote.subject_hash == self.subject and vote.member_id not in self.excluded


def pending_in(workspace_id: int, *related: str) -> tuple[list[Promotion], bool]:
    """The newest open promotions, and whether there are more than these."""
    rows = newest(workspace_id, *related).pending()
    found = list(rows[: INBOX_SIZE + 1])
    return found[:INBOX_SIZE], len(found) > INBOX_SIZE


def newest(workspace_id: int, *related: str) -> PromotionQuerySet:
    """Promotions, the newest first, without the long texts of what they relate to."""
    unread = [*UNREAD_OF_PROMPT, *(f"version__{name}" for name in UNREAD_OF_VERSION)]
    if "base__version" in related:
        unread += [f"base__version__{name}" for name in UNREAD_OF_VERSION]
    return Promotion.objects.in_workspace(workspace_id).order_by("-pk").select_related(*related).defer(*unread)


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


def with_evidence(pending: Sequence[Promotion], known: dict[int, Known]) -> dict[int, Known]:
    """The same with their checks, how many remarks are open, and whether they have just asked for their evidence."""
    if not pending:
        return {}
    workspace, known = pending[0].prompt.workspace_id, with_checks(pending, known)
    remarks = Count("comments", filter=Q(comments__reply_to=None, comments__resolved_at=None))
    asked = is_asked_for(workspace, OuterRef("pk"))
    rows = Promotion.objects.in_workspace(workspace).filter(pk__in=known).annotate(remarks=remarks, asked=asked)
    titles = titles_of(workspace, [check.name for one in known.values() for check in one.checks])
    return {
        pk: replace(known[pk], titles=titles, comments=count, is_asked_for=is_asked)
        for pk, count, is_asked in rows.values_list("pk", "remarks", "asked")
    }


def with_checks(pending: Sequence[Promotion], known: Mapping[int, Known]) -> dict[int, Known]:
    """The same with the required checks of each, as they count now; three queries."""
    now, required = database_now(), _required(pending)
    posted = _posted(pending)
    found = {}
    for row in pending:
        one = known[row.pk]
        wanted = _wanted(row, one, required[row.prompt_id])
        facts = [_fact(fact, one.live, posted[row.prompt_id, row.version.digest, fact.name]) for fact in wanted]
        answers = tuple(Answer(fact.name, fact.counts_as(now, one.policy.max_age_days)) for fact in facts)
        found[row.pk] = replace(one, checks=answers, required=tuple(facts), suites=len(required[row.prompt_id]))
    return found


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
    there = Deployment.objects.filter(prompt=OuterRef("prompt"), environment=OuterRef("environment"))
    passed = there.filter(kind=DeploymentKind.PROMOTION).order_by("-pk").values("created_at")[:1]
    rows = rows.annotate(passed_at=Subquery(passed))
    parts = ("deployment__pk", "passed_at", "deployment__version__number", "deployment__version__digest")
    fields = ("prompt", "environment", *parts)
    found = {(prompt, environment): _Live(*rest) for prompt, environment, *rest in rows.values_list(*fields)}
    return {row.pk: found.get((row.prompt_id, row.environment_id)) for row in pending}


def _votes(pending: Sequence[Promotion]) -> dict[int, list[Approval]]:
    """Each person's latest vote that stands, for each promotion."""
    rows = Approval.objects.filter(promotion__in=pending).order_by("promotion", "member", "-pk")
    rows = rows.select_related("member__user", "member__workspace")
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
    """Who changed what a promotion's gate rests on, since something last came through it."""
    prompts = {row.prompt_id for row in pending}
    made = CheckDefinitionChange.objects.filter(by__isnull=False)
    own = made.filter(prompt__in=prompts).values_list("prompt", "by_id", "at")
    of_required = made.filter(prompt=None, definition__required_by__prompt__in=prompts)
    changes = list(of_required.values_list("definition__required_by__prompt", "by_id", "at").union(own))
    found: dict[int, set[int]] = defaultdict(set)
    for row in pending:
        since = one.passed_at if (one := live[row.pk]) else None
        if policies[row.pk].require_suites:
            found[row.pk] = {
                by for prompt, by, at in changes if prompt == row.prompt_id and (since is None or at > since)
            }
    return found


def _required(pending: Sequence[Promotion]) -> dict[int, list[tuple[str, str, bool]]]:
    """The suites that are required of each prompt: name, recipe, and whether it is about safety; by the prompt's id."""
    found: dict[int, list[tuple[str, str, bool]]] = defaultdict(list)
    rows = RequiredCheck.objects.filter(prompt__in={row.prompt_id for row in pending})
    parts = ("name", "recipe", "is_safety")
    for prompt, *about in rows.values_list("prompt", *(f"definition__{part}" for part in parts)):
        found[prompt].append((about[0], about[1], about[2]))
    return found


def _posted(pending: Sequence[Promotion]) -> dict[tuple[int, str, str], list[VersionCheck]]:
    """The newest answers by prompt, digest and name, one for each evidence they rest on."""
    prompts, digests = {row.prompt_id for row in pending}, {row.version.digest for row in pending}
    rows = VersionCheck.objects.filter(prompt__in=prompts, digest__in=digests)
    fields = ("prompt", "digest", "name", "baseline_digest", "evidence_key")
    newest: dict[tuple[int, str, str], list[VersionCheck]] = defaultdict(list)
    for check in rows.order_by(*fields, "-pk").distinct(*fields):
        newest[check.prompt_id, check.digest, check.name].append(check)
    return newest


def _wanted(row: Promotion, known: Known, suites: Sequence[tuple[str, str, bool]]) -> list[CheckFact]:
    """What is asked for in the promotion's place, before anything was posted."""
    baseline = known.live.digest if known.live else None
    asked = sorted(suites) if known.policy.require_suites else []
    wanted = [
        CheckFact(name, expected_key=evidence_key(row.version.digest, baseline, recipe), is_safety=is_safety)
        for name, recipe, is_safety in asked
    ]
    return wanted + [CheckFact(name) for name in known.policy.external_checks]


def _fact(wanted: CheckFact, live: _Live | None, posted: Sequence[VersionCheck]) -> CheckFact:
    """What was posted on the evidence expected, else the newest on other evidence."""
    baseline, key = live.digest if live else None, wanted.expected_key
    fitting = [one for one in posted if not key or one.baseline_digest == baseline]
    row = max(fitting, key=lambda one: (one.evidence_key == key, one.pk), default=None)
    if row is None:
        return wanted
    return replace(wanted, state=row.state, created_at=row.created_at, evidence_key=row.evidence_key)
