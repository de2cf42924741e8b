"""The way of a version into an environment: promotions, votes, comments, and the checks they rest on."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from prompts_app.models.environment import Deployment, Environment, PolicyVersion
from prompts_app.models.prompt import Prompt, PromptVersion
from registry.core.canonical import JSON
from registry.core.models import ApiKey, AppendOnly, Member, Workspace, append_only_triggers


class PromotionState(models.TextChoices):
    """Where a promotion is; "approved" and "gate passed" are no states, they are computed when they matter."""

    OPEN = "open"
    SCHEDULED = "scheduled"
    SUSPENDED = "suspended"
    APPLIED = "applied"
    CLOSED = "closed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


# What nobody votes on, comments on, rebases or runs a suite for ends after this time.
EXPIRES_AFTER = timedelta(days=14)
TURNS_KEPT = 100
PENDING = (PromotionState.OPEN, PromotionState.SCHEDULED, PromotionState.SUSPENDED)

_WHILE_PENDING = ("approve", "request-changes", "withdraw-vote", "rebase", "reopen", "acknowledge-breaking", "close")
_MOVES: dict[str, tuple[str, ...]] = {
    PromotionState.OPEN: ("apply", "override", "schedule", "ready"),
    PromotionState.SCHEDULED: ("unschedule",),
    PromotionState.SUSPENDED: ("resume",),
}


def actions_in(state: str) -> tuple[str, ...]:
    """What can be asked of a promotion in that state, by the names of the API; a comment is always possible."""
    return (*_MOVES[state], *_WHILE_PENDING) if state in _MOVES else ()


class PromotionQuerySet(models.QuerySet["Promotion"]):
    """Promotions, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "PromotionQuerySet":
        """Promotions of one workspace's prompts."""
        return self.filter(prompt__workspace_id=workspace_id)

    def pending(self) -> "PromotionQuerySet":
        """Those that may still be applied."""
        return self.filter(state__in=PENDING)


@dataclass(frozen=True)
class Turn:
    """Something done to a promotion. `kind` is the audit event's last word; `text` a moment, a version or a reason."""

    at: datetime
    kind: str
    who: str
    text: str = ""


class Promotion(models.Model):
    """The wish to make a version live in an environment, over the deployment that was live when it was opened.

    `stamp` rises with every change of state, base, schedule or votes; with the environment's policy number it is the ETag.
    `turns` is the JSON of what was done to it besides votes and remarks, oldest first.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="promotions")
    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="promotions")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="promotions")
    title = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=12, choices=PromotionState, default=PromotionState.OPEN)
    base = models.ForeignKey(Deployment, null=True, on_delete=models.PROTECT, related_name="+")
    policy_opened = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="+")
    author = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="promotions")
    author_name = models.CharField(max_length=254)
    key_name = models.CharField(max_length=120, blank=True, default="")
    acknowledges_breaking = models.BooleanField(default=False)
    scheduled_for = models.DateTimeField(null=True, blank=True)
    scheduled_by = models.ForeignKey(Member, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # Set where a key scheduled it: at the time it is this key's right that is asked for, not its responsible member's.
    scheduled_by_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ready_by = models.ForeignKey(Member, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    stamp = models.PositiveIntegerField(default=1)
    # Approvals up to this id were dropped by reopening under a newer policy.
    votes_after = models.PositiveBigIntegerField(default=0)
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    last_activity_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, default="")
    turns = models.TextField(default="[]", db_default="[]")

    objects = PromotionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "environment"],
                condition=Q(state__in=["open", "scheduled", "suspended"]),
                name="one_pending_promotion_per_version",
            )
        ]
        indexes = [
            models.Index(fields=["environment", "state"], name="promotion_by_environment"),
            models.Index(fields=["scheduled_for"], condition=Q(state="scheduled"), name="promotion_schedule"),
        ]

    def __str__(self) -> str:
        return f"promotion {self.pk}"

    @property
    def is_pending(self) -> bool:
        """True while it may still be applied."""
        return self.state in PENDING

    @property
    def story(self) -> tuple["Turn", ...]:
        """What was done to it besides votes and remarks, oldest first."""
        return tuple(Turn(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in json.loads(self.turns))

    def note_turn(self, turn: "Turn") -> None:
        """Add to what was done to it, in memory; the caller saves it."""
        kept = {**asdict(turn), "at": turn.at.isoformat()}
        self.turns = json.dumps([*json.loads(self.turns), kept][-TURNS_KEPT:], ensure_ascii=False)

    @property
    def edition(self) -> str:
        """Another one after every change of state, base, schedule or votes, and after every remark."""
        return f"{self.stamp}-{self.last_activity_at.timestamp()}"

    @property
    def expires_at(self) -> datetime:
        """When it ends unless somebody touches it."""
        return self.last_activity_at + EXPIRES_AFTER

    @property
    def expires_before_it_is_due(self) -> bool:
        """Whether it is scheduled for a time that it does not reach unless somebody touches it."""
        return self.scheduled_for is not None and self.scheduled_for > self.expires_at


class Vote(models.TextChoices):
    """What a reviewer says; `withdrawn` takes the earlier vote back, `dismissed` was done to it by an admin."""

    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    WITHDRAWN = "withdrawn"
    DISMISSED = "dismissed"


class Approval(AppendOnly):
    """One vote; a person's latest counts. It holds for the subject it names and for nothing else."""

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="approvals")
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="approvals")
    member_name = models.CharField(max_length=254)
    vote = models.CharField(max_length=16, choices=Vote)
    subject_hash = models.CharField(max_length=64)
    # What the hash was made of, as JSON text, so that a stale vote can say what changed.
    subject = models.TextField(default="{}")
    comment = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["pk"]
        triggers = append_only_triggers()
        indexes = [models.Index(fields=["promotion", "member", "-id"], name="latest_vote")]

    def __str__(self) -> str:
        return f"{self.vote} by {self.member_name}"


class Side(models.TextChoices):
    """Which side of a difference a line is on."""

    OLD = "old"
    NEW = "new"


class Comment(models.Model):
    """A remark on a promotion, on one line of its diff, or in answer to another remark, which is never itself an answer.

    On a line, `base` is what the candidate was compared with and `quote` the line as it read then: after a rebase they
    still say what the remark was about. Only the first of a thread is resolved.
    """

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="comments")
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="comments")
    author_name = models.CharField(max_length=254)
    body = models.TextField()
    path = models.CharField(max_length=200, blank=True, default="")
    side = models.CharField(max_length=3, choices=Side, blank=True, default="", db_default="")
    line = models.PositiveIntegerField(null=True, blank=True)
    quote = models.TextField(blank=True, default="", db_default="")
    base = models.ForeignKey(Deployment, null=True, on_delete=models.PROTECT, related_name="+")
    reply_to = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="replies")
    created_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by_name = models.CharField(max_length=254, blank=True, default="")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"comment on {self.promotion_id}"


class Override(models.Model):
    """A deployment over blockers, with the reason and exactly the blockers present; reviewed afterwards."""

    deployment = models.OneToOneField(Deployment, on_delete=models.PROTECT, related_name="override")
    promotion = models.OneToOneField(Promotion, on_delete=models.PROTECT, related_name="override")
    by = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="overrides")
    reason = models.TextField()
    blockers = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    reviewed_by = models.ForeignKey(Member, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"override of {self.promotion_id}"

    @property
    def present(self) -> list[dict[str, JSON]]:
        """What stood in the way, as it was told then."""
        found: list[dict[str, JSON]] = json.loads(self.blockers)
        return found


class CheckDefinition(models.Model):
    """A check by name in a workspace. `recipe` digests all that its evidence depends on besides the two contents:
    when it changes, older evidence is stale."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="check_definitions")
    name = models.CharField(max_length=120)
    title = models.CharField(max_length=200, blank=True, default="")
    recipe = models.CharField(max_length=64)
    is_safety = models.BooleanField(default=False)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="check_name_once")]

    def __str__(self) -> str:
        return self.name


class CheckDefinitionChange(AppendOnly):
    """Who changed the meaning of a check, and when: they do not approve what it lets through.

    With `prompt`: who made it no longer required of that prompt.
    """

    definition = models.ForeignKey(CheckDefinition, on_delete=models.PROTECT, related_name="changes")
    prompt = models.ForeignKey(Prompt, null=True, on_delete=models.PROTECT, related_name="+")
    recipe = models.CharField(max_length=64)
    by = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        triggers = append_only_triggers()

    def __str__(self) -> str:
        return f"{self.definition_id} → {self.recipe[:12]}"


class RequiredCheck(models.Model):
    """A prompt must pass this check wherever the environment's policy asks for its suites."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="required_checks")
    definition = models.ForeignKey(CheckDefinition, on_delete=models.PROTECT, related_name="required_by")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "definition"], name="check_required_once")]

    def __str__(self) -> str:
        return f"{self.definition_id} for {self.prompt_id}"


class CheckState(models.TextChoices):
    """What a check said; `missing` and `stale` are computed, never stored."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class VersionCheck(AppendOnly):
    """A fact about a digest, like a commit status; the newest per digest, name and baseline counts."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="checks")
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=120)
    baseline_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001 - null means "nothing was live"
    evidence_key = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=12, choices=CheckState)
    run_id = models.BigIntegerField(null=True)
    url = models.CharField(max_length=500, blank=True, default="")
    summary = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]
        triggers = append_only_triggers()
        indexes = [models.Index(fields=["prompt", "digest", "name", "-id"], name="newest_check")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
