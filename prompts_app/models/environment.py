"""Environments, their policies, and what is or was live in them."""

import json

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from prompts_app.models.prompt import Prompt, PromptVersion
from prompts_app.policy import Policy, parse_policy
from registry.core.models import AppendOnly, Workspace, append_only_triggers


class EnvironmentQuerySet(models.QuerySet["Environment"]):
    """Environments, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "EnvironmentQuerySet":
        """The environments of one workspace, lowest rank first."""
        return self.filter(workspace_id=workspace_id, archived_at=None).order_by("rank", "pk")


class Environment(models.Model):
    """A stage on the way to production. Its name is permanent (keys and clients hold it), its label is not."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="environments")
    name = models.SlugField(max_length=63)
    label = models.CharField(max_length=63)
    colour = models.CharField(max_length=16, default="slate")
    rank = models.PositiveSmallIntegerField()
    description = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="environment_name_once")]

    def __str__(self) -> str:
        return self.name


class PolicyVersion(AppendOnly):
    """An environment's rules from one moment on; the newest number is in force."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="policies")
    number = models.PositiveIntegerField()
    policy = models.TextField()
    by_name = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-number"]
        triggers = append_only_triggers()
        constraints = [models.UniqueConstraint(fields=["environment", "number"], name="policy_number_once")]

    def __str__(self) -> str:
        return f"{self.environment} policy {self.number}"

    def load(self) -> Policy:
        """The rules as a plain value."""
        return parse_policy(json.loads(self.policy))


class EnvironmentRevision(models.Model):
    """A counter raised by exactly 1 for each visible change; locked, since commit order must be revision order."""

    environment = models.OneToOneField(Environment, primary_key=True, on_delete=models.PROTECT, related_name="counter")
    n = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.environment_id}@{self.n}"


class DeploymentKind(models.TextChoices):
    """How a version came to be live, or ceased to be."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    WITHDRAWAL = "withdrawal"


class Deployment(AppendOnly):
    """One change of what is live; never rewritten. `version` is null for a withdrawal; `evidence` is JSON text."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="deployments")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="deployments")
    kind = models.CharField(max_length=12, choices=DeploymentKind)
    version = models.ForeignKey(PromptVersion, null=True, on_delete=models.PROTECT, related_name="deployments")
    previous = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    promotion = models.ForeignKey("Promotion", null=True, on_delete=models.PROTECT, related_name="deployments")
    revision = models.PositiveBigIntegerField()
    actor_kind = models.CharField(max_length=8)
    actor_id = models.BigIntegerField()
    actor_name = models.CharField(max_length=254)
    reason = models.TextField(blank=True, default="")
    evidence = models.TextField(default="{}")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]
        triggers = append_only_triggers()
        constraints = [
            models.UniqueConstraint(fields=["environment", "revision"], name="one_deployment_per_revision"),
            models.CheckConstraint(
                name="only_a_withdrawal_has_no_version",
                condition=Q(kind="withdrawal", version=None) | (~Q(kind="withdrawal") & Q(version__isnull=False)),
            ),
        ]
        indexes = [models.Index(fields=["prompt", "environment", "-id"], name="deployment_history")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.prompt_id} in {self.environment_id} at {self.revision}"


class LivePointerQuerySet(models.QuerySet["LivePointer"]):
    """What is live, by the questions asked of it."""

    def live(self) -> "LivePointerQuerySet":
        """Pointers at something."""
        return self.filter(deployment__version__isnull=False)


class LivePointer(models.Model):
    """What is live for a prompt in an environment: a deployment with a version, or nothing."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="pointers")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="pointers")
    deployment = models.ForeignKey(Deployment, null=True, on_delete=models.PROTECT, related_name="+")

    objects = LivePointerQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "environment"], name="one_pointer_per_place")]

    def __str__(self) -> str:
        return f"{self.prompt_id} in {self.environment_id}"


class Quarantine(models.Model):
    """A digest that was rolled back in an environment; it returns only cleared with a reason, or by override."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="quarantines")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="quarantines")
    digest = models.CharField(max_length=64)
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="quarantines")
    created_at = models.DateTimeField(db_default=Now())
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by_name = models.CharField(max_length=254, blank=True, default="")
    clear_reason = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "prompt", "digest"], condition=Q(cleared_at=None), name="one_open_quarantine"
            )
        ]

    def __str__(self) -> str:
        return f"{self.digest[:12]} in {self.environment_id}"


class FreezeQuerySet(models.QuerySet["Freeze"]):
    """Freezes, by the questions asked of them."""

    def covering_now(self) -> "FreezeQuerySet":
        """From its start up to, not including, its end; by the database's clock."""
        return self.filter(starts_at__lte=Now(), ends_at__gt=Now(), cancelled_at=None)


class Freeze(models.Model):
    """A time during which nothing is promoted to an environment; going back stays possible."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="freezes")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.TextField()
    by_name = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=Now())
    cancelled_at = models.DateTimeField(null=True, blank=True)

    objects = FreezeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_freeze_ends_later", condition=Q(ends_at__gt=models.F("starts_at")))
        ]

    def __str__(self) -> str:
        return f"freeze of {self.environment_id}"

    @property
    def has_ended(self) -> bool:
        """Whether its time is over, lifted or not."""
        return self.ends_at <= timezone.now()
