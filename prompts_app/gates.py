"""May this promotion be applied? A pure decision over plain facts: the list of what stands in the way, nothing else.

Pages and the API show the list; applying evaluates it again inside its transaction, after the locks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from prompts_app.evaluation import called
from prompts_app.policy import Policy
from registry.core.canonical import JSON, digest

LATEST_AFTER_DUE = timedelta(minutes=15)
# A required suite whose check counts as one of these is run by itself when a promotion opens.
RUN_WHEN_OPENED = frozenset({"missing", "stale"})


class Level(StrEnum):
    """How firmly a blocker stands: advisory is shown, soft can be overridden, hard never."""

    ADVISORY = "advisory"
    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True)
class Blocker:
    """One thing in the way, and who can clear it (roles and people, in words)."""

    code: str
    level: Level
    message: str
    who_can_clear: tuple[str, ...] = ()
    extra: dict[str, JSON] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """The form of the API."""
        return {
            "code": self.code,
            "level": str(self.level),
            "message": self.message,
            "who_can_clear": list(self.who_can_clear),
            **self.extra,
        }


@dataclass(frozen=True)
class Subject:
    """What an approval is bound to. `base` is the id of the deployment to be replaced."""

    digest: str
    base: int | None
    environment: str
    scheduled_for: datetime | None
    acknowledges_breaking: bool
    plan: JSON = None

    def to_json(self) -> dict[str, JSON]:
        """The parts by name, as they are hashed and kept with a vote."""
        return {
            "digest": self.digest,
            "base": self.base,
            "environment": self.environment,
            "plan": self.plan,
            "scheduled_for": self.scheduled_for.isoformat() if self.scheduled_for else None,
            "acknowledges_breaking": self.acknowledges_breaking,
        }

    @property
    def hash(self) -> str:
        """64 hex digits; equal when, and only when, all parts are."""
        return digest(self.to_json())


CHANGES = {
    "digest": "the content is another one",
    "base": "something else is live",
    "environment": "it goes somewhere else",
    "plan": "the plan of the rollout is another one",
    "scheduled_for": "the time it is scheduled for is another one",
    "acknowledges_breaking": "whether the breaking change is acknowledged",
}


def what_changed(then: Mapping[str, JSON], now: Subject) -> str:
    """What differs between the subject that a vote was given for (as it was kept) and the present one, in words."""
    present = now.to_json()
    found = [words for name, words in CHANGES.items() if name in then and then[name] != present[name]]
    return f"changed since: {', '.join(found)}" if found else "given for something else than what is asked now"


@dataclass(frozen=True)
class CheckFact:
    """A required check as it stands: `state` is None when nothing was posted; keys say whether its evidence still fits.

    `expected_key` is empty for outside checks, which have no recipe. `is_asked_for`: its evidence was asked for a moment ago,
    and whoever gathers it has not answered yet.
    """

    name: str
    state: str | None = None
    created_at: datetime | None = None
    evidence_key: str = ""
    expected_key: str = ""
    is_safety: bool = False
    url: str = ""
    is_asked_for: bool = False

    def counts_as(self, now: datetime, max_age_days: int) -> str:
        """`missing`, `pending`, `stale`, `error`, `failed`, `inconclusive` or `passed`."""
        if self.state is None or self.created_at is None:
            return "missing"
        if self.evidence_key != self.expected_key:
            return "stale"
        if self.state != "pending" and now - self.created_at > timedelta(days=max_age_days):
            return "stale"
        return self.state

    def is_starting(self, now: datetime, max_age_days: int) -> bool:
        """Whether its run is about to start by itself."""
        return self.is_asked_for and self.counts_as(now, max_age_days) in RUN_WHEN_OPENED


@dataclass(frozen=True)
class FreezeFact:
    """A time without promotions: from its start up to, not including, its end."""

    starts_at: datetime
    ends_at: datetime
    reason: str

    def covers(self, now: datetime) -> bool:
        """Whether nothing may be promoted at `now`."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True)
class VoteFact:
    """A person's latest vote; `refusal` is empty for an eligible reviewer, else it says why they are not one."""

    member_id: int
    name: str
    approves: bool
    subject_hash: str
    refusal: str = ""


@dataclass(frozen=True)
class Predecessor:
    """What happened to the candidate's digest in the next lower environment; `label` is what readers call that one.

    `spans` are the times it was live there since it was last rolled back or withdrawn, the end None while it still is;
    `was_rolled_back` says that there was such a time, and that it has not been live since.
    """

    environment: str
    label: str
    spans: tuple[tuple[datetime, datetime | None], ...]
    was_rolled_back: bool

    def longest(self, now: datetime) -> timedelta | None:
        """The longest time it was live without a break; None when it never was."""
        return max(((end or now) - start for start, end in self.spans), default=None)

    @property
    def is_live(self) -> bool:
        """Whether it is live there now."""
        return any(end is None for _, end in self.spans)


@dataclass(frozen=True)
class Facts:
    """All that the decision rests on, read in one transaction; `eligible` are ids and names of who may approve."""

    subject: Subject
    live_deployment: int | None
    policy: Policy
    is_scheduled: bool = False
    is_yanked: bool = False
    actor_refusal: str = ""
    breaking: tuple[str, ...] = ()
    predecessor: Predecessor | None = None
    required_suites: int = 0
    checks: tuple[CheckFact, ...] = ()
    votes: tuple[VoteFact, ...] = ()
    eligible: tuple[tuple[int, str], ...] = ()
    quarantined_because: str | None = None
    freezes: tuple[FreezeFact, ...] = ()
    unresolved_comments: int = 0

    def valid_approvals(self) -> tuple[VoteFact, ...]:
        """Approvals of this very subject by people who may give them."""
        current = self.subject.hash
        return tuple(v for v in self.votes if v.approves and not v.refusal and v.subject_hash == current)


def evidence_key(candidate_digest: str, baseline_digest: str | None, recipe: str) -> str:
    """What evidence is about: both contents, and by `recipe` all else its result depends on."""
    return digest({"candidate": candidate_digest, "baseline": baseline_digest, "recipe": recipe})


def blockers(facts: Facts, now: datetime) -> tuple[Blocker, ...]:
    """Everything in the way at `now`, hard ones first; empty means that applying will succeed."""
    found = [
        *_version(facts),
        *_schedule(facts, now),
        *_contract(facts),
        *_predecessor(facts, now),
        *_suites(facts),
        *_checks(facts, now),
        *_approvals(facts),
        *_stops(facts, now),
    ]
    order = list(reversed(Level))
    return tuple(sorted(found, key=lambda blocker: order.index(blocker.level)))


def standing(found: tuple[Blocker, ...]) -> tuple[Blocker, ...]:
    """The blockers that do block: all but the advisory ones."""
    return tuple(blocker for blocker in found if blocker.level is not Level.ADVISORY)


def entitled(found: Iterable[Blocker], titles: Mapping[str, str]) -> tuple[Blocker, ...]:
    """The same blockers in a reader's words: checks go by their titles where they have one."""
    return tuple(_entitled(blocker, titles) for blocker in found)


def _entitled(blocker: Blocker, titles: Mapping[str, str]) -> Blocker:
    name = check_of(blocker)
    return replace(blocker, message=called(name, titles) + blocker.message.removeprefix(name))


def check_of(blocker: Blocker) -> str:
    """The name of the check that a blocker is about; empty for any other."""
    return blocker.code.removeprefix("check.").rpartition(".")[0] if blocker.code.startswith("check.") else ""


def lacks_reviewer(blocker: Blocker) -> bool:
    """Whether approvals are missing and nobody is left here to give one: somebody has to be let in first."""
    return blocker.code == "approvals.insufficient" and "admins" in blocker.who_can_clear


def _version(facts: Facts) -> Iterator[Blocker]:
    if facts.is_yanked:
        yield Blocker("version.yanked", Level.HARD, "This version was yanked: promote another one.", ("nobody",))
    if facts.subject.base != facts.live_deployment:
        yield Blocker(
            "base.moved",
            Level.HARD,
            "Something else went live since this was opened: rebase it and look at the new difference.",
            ("author", "editors"),
        )
    if facts.actor_refusal:
        yield Blocker("actor.forbidden", Level.HARD, facts.actor_refusal, ("releasers",))


def _schedule(facts: Facts, now: datetime) -> Iterator[Blocker]:
    due = facts.subject.scheduled_for
    if not facts.is_scheduled or due is None:
        return
    if now < due:
        yield Blocker("schedule.not_due", Level.HARD, f"Scheduled for {due:%Y-%m-%d %H:%M} UTC.", ("releasers",))
    elif now > due + LATEST_AFTER_DUE:
        message = f"Was due at {due:%Y-%m-%d %H:%M} UTC, more than 15 minutes ago: schedule it again."
        yield Blocker("schedule.late", Level.HARD, message, ("releasers",))


def _contract(facts: Facts) -> Iterator[Blocker]:
    if facts.breaking and not facts.subject.acknowledges_breaking:
        message = (
            f"Services that use what is live would break: {'; '.join(facts.breaking)}. The author can acknowledge it."
        )
        yield Blocker("contract.breaking", Level.SOFT, message, ("author",))


def _predecessor(facts: Facts, now: datetime) -> Iterator[Blocker]:
    before, policy = facts.predecessor, facts.policy
    if not policy.require_predecessor or before is None:
        return
    longest = before.longest(now)
    needed = timedelta(minutes=policy.soak_minutes)
    if longest is None or before.was_rolled_back:
        reason = "was rolled back in" if before.was_rolled_back else "has not been live in"
        message = f"This content {reason} {before.label}: promote it there first."
        yield Blocker("predecessor.missing", Level.SOFT, message, ("releasers",))
    elif longest < needed and before.is_live:
        message = f"Live in {before.label} for {_minutes(longest)} of {policy.soak}."
        yield Blocker("predecessor.soaking", Level.SOFT, message, ("time",))
    elif longest < needed:
        message = f"Was live in {before.label} for {_minutes(longest)} of {policy.soak} only."
        yield Blocker("predecessor.missing", Level.SOFT, message, ("releasers",))


def _suites(facts: Facts) -> Iterator[Blocker]:
    if facts.required_suites < facts.policy.min_suites:
        least = facts.policy.min_suites
        asked = "a required suite" if least == 1 else f"{least} required suites"
        message = f"This prompt needs {asked} to go live here, and has {facts.required_suites or 'none'}."
        yield Blocker("suites.missing", Level.SOFT, message, ("editors",))


AGAINST_LIVE = " against what is live here"
CHECK_ADVICE = {
    "missing": f"has not run{AGAINST_LIVE}: run what is missing.",
    "pending": "is still running.",
    "stale": "rests on evidence that no longer fits: run it again.",
    "error": "could not be judged: see its run, then run it again.",
    "failed": "failed: see what got worse, and improve the version.",
    "inconclusive": "does not settle it: more cases or repeats would.",
}
STARTING_ADVICE = {
    "missing": f"has not run{AGAINST_LIVE} yet: its run starts by itself in a moment.",
    "stale": "rests on evidence that no longer fits: a new run starts by itself in a moment.",
}


def _checks(facts: Facts, now: datetime) -> Iterator[Blocker]:
    for check in facts.checks:
        state = check.counts_as(now, facts.policy.max_age_days)
        if state != "passed":
            level = Level.HARD if check.is_safety else Level.SOFT
            is_starting = check.is_starting(now, facts.policy.max_age_days)
            # What failed takes another version, by whoever wrote this one; all else takes a run.
            helpers = ("author",) if state == "failed" else ("author", "editors")
            who = ("time",) if state == "pending" or is_starting else helpers
            advice = STARTING_ADVICE[state] if is_starting else CHECK_ADVICE[state]
            if facts.live_deployment is None:
                advice = advice.replace(AGAINST_LIVE, "")
            extra: dict[str, JSON] = {"url": check.url} if check.url else {}
            yield Blocker(f"check.{check.name}.{state}", level, f"{check.name} {advice}", who, extra)


def _approvals(facts: Facts) -> Iterator[Blocker]:
    needed, valid = facts.policy.approvals, facts.valid_approvals()
    if len(valid) < needed:
        voted = {vote.member_id for vote in valid}
        free = [name for member_id, name in facts.eligible if member_id not in voted]
        message = f"{len(valid)} of {needed} approvals."
        if len(facts.eligible) < needed:
            who = f"only {len(facts.eligible)} here" if facts.eligible else "nobody here"
            message = f"{len(valid)} of {needed} approvals: {who} may approve it."
        yield Blocker(
            "approvals.insufficient",
            Level.SOFT,
            message,
            tuple(free) or ("admins",),
            {"needed": needed, "valid": len(valid), "eligible": len(facts.eligible)},
        )
    for vote in facts.votes:
        if not vote.approves and not vote.refusal:
            message = f"{vote.name} asked for changes."
            yield Blocker("approvals.changes_requested", Level.SOFT, message, (vote.name, "admins"))


def _stops(facts: Facts, now: datetime) -> Iterator[Blocker]:
    if facts.quarantined_because is not None:
        message = f"This content was rolled back here: {facts.quarantined_because}"
        yield Blocker("digest.quarantined", Level.SOFT, message, ("releasers",))
    for freeze in facts.freezes:
        if freeze.covers(now):
            message = f"Frozen until {freeze.ends_at:%Y-%m-%d %H:%M} UTC: {freeze.reason}"
            yield Blocker("freeze.active", Level.SOFT, message, ("admins", "time"))
    if facts.unresolved_comments:
        number = facts.unresolved_comments
        message = f"{number} unresolved comment{'' if number == 1 else 's'}."
        yield Blocker("comments.unresolved", Level.ADVISORY, message, ("anyone",))


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)
