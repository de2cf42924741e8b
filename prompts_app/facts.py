"""The facts a promotion is judged by, read from the database; the judging itself is `gates`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Now

from prompts_app.asked_evidence import is_asked_for
from prompts_app.authors import key_makers, written_by
from prompts_app.contracts import contract_changes
from prompts_app.gates import (
    Blocker,
    CheckFact,
    Facts,
    FreezeFact,
    Subject,
    VoteFact,
    blockers,
    evidence_key,
)
from prompts_app.models import (
    Approval,
    CheckDefinitionChange,
    Comment,
    Deployment,
    DeploymentKind,
    Environment,
    Freeze,
    LivePointer,
    Override,
    PolicyVersion,
    Promotion,
    PromotionState,
    Prompt,
    PromptVersion,
    Quarantine,
    RequiredCheck,
    VersionCheck,
    VersionYank,
    Vote,
)
from prompts_app.policy import Policy, stricter
from prompts_app.predecessors import predecessor_of
from registry.core.actor import Actor, Role
from registry.core.clock import database_now
from registry.core.errors import Forbidden
from registry.core.identity import actor_for_key, actor_of_member
from registry.core.models import ApiKey, Member
from registry.core.permissions import Permission, require


@dataclass(frozen=True)
class Judgement:
    """A promotion's facts and what follows from them at one moment; `excluded` may not approve it, and why."""

    facts: Facts
    now: datetime
    blockers: tuple[Blocker, ...]
    approvals: tuple[Approval, ...] = ()
    live: Deployment | None = None
    excluded: Mapping[int, str] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """The stricter of the policies then and now."""
        return self.facts.policy


def judge(promotion: Promotion, actor: Actor | None) -> Judgement:
    """Everything about a promotion, as `actor` would meet it; about 15 queries, whatever the sizes."""
    environment = promotion.environment
    policy = policy_of(promotion)
    is_scheduled = promotion.state == PromotionState.SCHEDULED
    live = live_deployment(promotion.prompt, environment)
    approvals = latest_votes(promotion)
    excluded = not_eligible(promotion, live, policy)
    facts = _facts(
        promotion.prompt,
        promotion.version,
        environment,
        policy=policy,
        subject=subject_of(promotion),
        live=live,
        asked_by=promotion if promotion.is_pending else None,
        is_scheduled=is_scheduled,
        actor_refusal=_refusal_for(promotion, actor, policy),
        votes=tuple(vote_fact(row, excluded) for row in approvals),
        eligible=eligible_reviewers(promotion.prompt.workspace_id, excluded),
        unresolved_comments=Comment.objects.filter(promotion=promotion, reply_to=None, resolved_at=None).count(),
    )
    now = database_now()
    return Judgement(facts, now, blockers(facts, now), approvals, live, excluded)


def judge_automatic(version: PromptVersion, environment: Environment, policy: Policy) -> Judgement:
    """Whether an `auto_apply` environment takes a new version: nobody's right is asked, a breaking contract is advisory."""
    live = live_deployment(version.prompt, environment)
    subject = Subject(version.digest, live.pk if live else None, environment.name, None, acknowledges_breaking=True)
    eligible: tuple[tuple[int, str], ...] = ()
    if policy.approvals:
        authors = {author for author, _ in written_by(version, live.version if live else None)}
        eligible = eligible_reviewers(version.prompt.workspace_id, authors)
    facts = _facts(version.prompt, version, environment, policy=policy, subject=subject, live=live, eligible=eligible)
    now = database_now()
    return Judgement(facts, now, blockers(facts, now))


def subject_of(promotion: Promotion) -> Subject:
    """What an approval of this promotion is bound to."""
    return Subject(
        digest=promotion.version.digest,
        base=promotion.base_id,
        environment=promotion.environment.name,
        scheduled_for=promotion.scheduled_for,
        acknowledges_breaking=promotion.acknowledges_breaking,
    )


def current_policy(environment: Environment) -> PolicyVersion:
    """The policy in force."""
    return PolicyVersion.objects.filter(environment=environment).order_by("-number")[0]


def current_policies(environments: Iterable[Environment]) -> dict[int, PolicyVersion]:
    """The policies in force, by the environments' ids; one query."""
    rows = PolicyVersion.objects.filter(environment__in=[environment.pk for environment in environments])
    return {row.environment_id: row for row in rows.order_by("environment", "-number").distinct("environment")}


def policy_of(promotion: Promotion) -> Policy:
    """The rules a promotion is judged by: the stricter, field by field, of when it was opened and now."""
    return stricter(promotion.policy_opened.load(), current_policy(promotion.environment).load())


def live_deployment(prompt: Prompt, environment: Environment) -> Deployment | None:
    """The deployment that is live, its version loaded; None when nothing is."""
    pointer = (
        LivePointer.objects.live()
        .select_related("deployment__version__prompt")
        .filter(prompt=prompt, environment=environment)
        .first()
    )
    return pointer.deployment if pointer else None


def gate_passed_at(live: Deployment | None) -> datetime | None:
    """When something last came to where this is live through the gate, so that others looked at what the gate asks; None where
    nothing is live. Going back passes no gate: suites changed before it are as new as they were. One query after going back."""
    if live is None or live.kind == DeploymentKind.PROMOTION:
        return live.created_at if live else None
    rows = Deployment.objects.filter(prompt=live.prompt_id, environment=live.environment_id, pk__lt=live.pk)
    return rows.filter(kind=DeploymentKind.PROMOTION).values_list("created_at", flat=True).first()


def latest_votes(promotion: Promotion) -> tuple[Approval, ...]:
    """Each person's latest vote that stands, oldest first."""
    rows = Approval.objects.filter(promotion=promotion)
    newest = rows.select_related("member__user", "member__workspace").order_by("member_id", "-pk").distinct("member_id")
    return tuple(sorted((row for row in newest if stands(row, promotion)), key=lambda row: row.pk))


def stands(latest: Approval, promotion: Promotion) -> bool:
    """Whether somebody's latest vote still says something. Reopening drops approvals, not requests for changes: nobody
    gets rid of a reviewer's request that way."""
    if latest.vote == Vote.APPROVE:
        return latest.pk > promotion.votes_after
    return latest.vote == Vote.REQUEST_CHANGES


def approvers(promotion: Promotion) -> frozenset[int]:
    """Members who approve of the promotion as it is now, eligible or not."""
    current = subject_of(promotion).hash
    votes = latest_votes(promotion)
    return frozenset(vote.member_id for vote in votes if vote.vote == Vote.APPROVE and vote.subject_hash == current)


def not_eligible(promotion: Promotion, live: Deployment | None, policy: Policy | None = None) -> dict[int, str]:
    """Members who may not approve this promotion over what is `live`, whatever their role, and why.

    For one that was applied, `live` is its base: what it replaced.
    """
    rules = policy or policy_of(promotion)
    excluded: dict[int, str] = {}
    if rules.require_suites:
        why = "changed a suite that this gate uses since something last came through it"
        excluded |= dict.fromkeys(_suite_editors(promotion, live), why)
    chain = written_by(promotion.version, live.version if live else None)
    makers = key_makers(promotion.prompt.workspace_id, {key for _, key in chain} | {promotion.key_name})
    excluded |= dict.fromkeys(makers, "made a key by which this was written or opened")
    excluded |= dict.fromkeys((author for author, _ in chain), "wrote part of what would change")
    return excluded | {promotion.author_id: "opened this promotion"}


def override_refusals(promotion: Promotion, override: Override) -> dict[int, str]:
    """Members who may not review this override afterwards, and why: who overrode, or could not have approved."""
    return {**not_eligible(promotion, promotion.base), override.by_id: "overrode it"}


def eligible_reviewers(workspace_id: int, excluded: Iterable[int]) -> tuple[tuple[int, str], ...]:
    """Ids and names of the active members who may approve."""
    return members_from(workspace_id, Role.REVIEWER, excluded)


def members_from(workspace_id: int, role: Role, excluded: Iterable[int] = ()) -> tuple[tuple[int, str], ...]:
    """Ids and names of the active members of at least that role."""
    rows = Member.objects.in_workspace(workspace_id).active().at_least(role).lacking_no_factor()
    rows = rows.exclude(pk__in=list(excluded))
    return tuple(rows.order_by("user__name", "pk").values_list("pk", "user__name"))


def required_check_facts(
    prompt: Prompt, version: PromptVersion, policy: Policy, live: Deployment | None, asked_by: Promotion | None = None
) -> tuple[CheckFact, ...]:
    """The checks required of a version against what is live, each as it stands, and whether `asked_by` has just asked for
    its evidence; two queries."""
    baseline = live.version.digest if live and live.version else None
    wanted: dict[str, CheckFact] = {}
    if policy.require_suites:
        asked = is_asked_for(prompt.workspace_id, Value(asked_by.pk if asked_by else 0))
        rows = RequiredCheck.objects.filter(prompt=prompt).annotate(is_asked_for=asked)
        for row in rows.select_related("definition").order_by("definition__name"):
            name, key = row.definition.name, evidence_key(version.digest, baseline, row.definition.recipe)
            is_safety = row.definition.is_safety
            wanted[name] = CheckFact(name, expected_key=key, is_safety=is_safety, is_asked_for=row.is_asked_for)
    wanted |= {name: CheckFact(name) for name in policy.external_checks}
    keys = {name: fact.expected_key for name, fact in wanted.items()}
    newest = _newest_checks(prompt, version.digest, baseline, keys)
    return tuple(_as_posted(fact, newest.get(name)) for name, fact in wanted.items())


def quarantined(prompt: Prompt, environment: Environment) -> QuerySet[Quarantine]:
    """What was rolled back here and not cleared since."""
    return Quarantine.objects.filter(environment=environment, prompt=prompt, cleared_at=None)


def way_back_by_default(prompt: Prompt, environment: Environment, live: PromptVersion | None) -> Deployment | None:
    """Where one click goes: the latest earlier deployment with another content that is neither quarantined nor yanked."""
    rows = (
        Deployment.objects.filter(prompt=prompt, environment=environment, version__isnull=False)
        .exclude(version__digest=live.digest if live else "")
        .exclude(version__yank__isnull=False)
        .exclude(version__digest__in=quarantined(prompt, environment).values("digest"))
    )
    return rows.select_related("version__prompt").order_by("-pk").first()


def breaking_changes(live: PromptVersion, version: PromptVersion) -> tuple[str, ...]:
    """What would break for users of the live version, in words."""
    old, new = live.load(), version.load()
    changes = contract_changes(old.variables, new.variables, old.response_format, new.response_format)
    return tuple(
        f"{change.variable} {change.change.replace('_', ' ')}" for change in changes if change.level == "breaking"
    )


def _facts(
    prompt: Prompt,
    version: PromptVersion,
    environment: Environment,
    *,
    policy: Policy,
    subject: Subject,
    live: Deployment | None,
    asked_by: Promotion | None = None,
    is_scheduled: bool = False,
    actor_refusal: str = "",
    votes: tuple[VoteFact, ...] = (),
    eligible: tuple[tuple[int, str], ...] = (),
    unresolved_comments: int = 0,
) -> Facts:
    quarantine = Quarantine.objects.filter(
        environment=environment, prompt=prompt, digest=version.digest, cleared_at=None
    )
    freezes = Freeze.objects.filter(environment=environment, cancelled_at=None).order_by("pk")
    to_come = freezes.filter(ends_at__gt=Now()).values_list("starts_at", "ends_at", "reason")
    return Facts(
        subject=subject,
        live_deployment=live.pk if live else None,
        policy=policy,
        is_scheduled=is_scheduled,
        is_yanked=VersionYank.objects.filter(version=version).exists(),
        actor_refusal=actor_refusal,
        breaking=breaking_changes(live.version, version) if live and live.version else (),
        predecessor=predecessor_of(prompt, version.digest, environment) if policy.require_predecessor else None,
        required_suites=RequiredCheck.objects.filter(prompt=prompt).count(),
        checks=required_check_facts(prompt, version, policy, live, asked_by),
        votes=votes,
        eligible=eligible,
        quarantined_because=quarantine.values_list("deployment__reason", flat=True).first(),
        freezes=tuple(FreezeFact(starts_at, ends_at, reason) for starts_at, ends_at, reason in to_come),
        unresolved_comments=unresolved_comments,
    )


def _refusal_for(promotion: Promotion, actor: Actor | None, policy: Policy) -> str:
    """Why the promotion may not be applied by whoever would apply it: the scheduler where scheduled, else the reader."""
    if promotion.state == PromotionState.SCHEDULED:
        return _scheduler_refusal(promotion, policy)
    if actor is None:
        return "Nobody asked for it."
    return actor_refusal(actor, policy)


def actor_refusal(actor: Actor, policy: Policy) -> str:
    """Why this actor may not apply under this policy; empty when they may."""
    try:
        require(actor, Permission.APPLY, protected=policy.protected)
    except Forbidden as refusal:
        return refusal.detail
    return ""


def scheduler_of(promotion: Promotion) -> Actor:
    """In whose name the clock applies a scheduled promotion: the key's or the person's who scheduled it."""
    if promotion.scheduled_by_key is not None:
        return actor_for_key(promotion.scheduled_by_key)
    assert promotion.scheduled_by is not None
    return actor_of_member(promotion.scheduled_by)


def _scheduler_refusal(promotion: Promotion, policy: Policy) -> str:
    key = promotion.scheduled_by_key
    if key is None:
        return member_refusal(promotion.scheduled_by, policy) if promotion.scheduled_by else "Nobody scheduled it."
    if not ApiKey.objects.usable().filter(pk=key.pk).exists():
        return f"The key {key.name} is revoked or expired."
    return actor_refusal(scheduler_of(promotion), policy)


def member_refusal(member: Member, policy: Policy) -> str:
    """The same for a member asked when the clock applies in their name."""
    if not member.can_act:
        return f"{member.user.name} can no longer act here."
    return actor_refusal(actor_of_member(member), policy)


def vote_fact(row: Approval, excluded: Mapping[int, str]) -> VoteFact:
    """A vote as it counts, its member loaded; `excluded` may not approve, and why."""
    refusal = excluded.get(row.member_id, "")
    if not refusal and not row.member.can_act:
        refusal = "is no longer active"
    elif not refusal and row.member.rank < Role.REVIEWER.rank:
        refusal = "is no longer a reviewer"
    elif not refusal and row.member.lacks_factor:
        refusal = "has no second factor"
    return VoteFact(row.member_id, row.member.user.name, row.vote == Vote.APPROVE, row.subject_hash, refusal)


def _suite_editors(promotion: Promotion, live: Deployment | None) -> set[int]:
    """Who changed what this prompt must pass: a suite it requires, or that it requires one no longer."""
    of_required = Q(prompt=None, definition__required_by__prompt=promotion.prompt_id)
    changes = CheckDefinitionChange.objects.filter(of_required | Q(prompt=promotion.prompt_id), by__isnull=False)
    if (since := gate_passed_at(live)) is not None:
        changes = changes.filter(at__gt=since)
    return set(changes.values_list("by_id", flat=True))


def _newest_checks(prompt: Prompt, digest: str, baseline: str | None, keys: dict[str, str]) -> dict[str, VersionCheck]:
    """The newest check of each name on the evidence expected of it; where there is none, the newest on other evidence:
    a run that started before a suite changed may well end after one that started later."""
    about = Q(name__startswith="external/") | Q(baseline_digest=baseline)
    rows = VersionCheck.objects.filter(about, prompt=prompt, digest=digest, name__in=keys)
    newest = rows.order_by("name", "evidence_key", "-pk").distinct("name", "evidence_key")
    found: dict[str, VersionCheck] = {}
    for row in sorted(newest, key=lambda row: (row.evidence_key == keys[row.name], row.pk)):
        found[row.name] = row
    return found


def _as_posted(fact: CheckFact, row: VersionCheck | None) -> CheckFact:
    if row is None:
        return fact
    return replace(fact, state=row.state, created_at=row.created_at, evidence_key=row.evidence_key, url=row.url)
