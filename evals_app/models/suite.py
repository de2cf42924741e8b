"""Suites, their immutable versions with cases, and which prompts they are attached to."""

import json
from collections.abc import Iterable
from typing import cast

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from evals_app.models.purge import Purgeable
from evals_app.suite_content import SuiteContent, load_suite
from prompts_app.models import Prompt
from registry.core.canonical import JSON
from registry.core.models import AppendOnly, Member, Workspace, append_only_triggers

# What of a case makes its question, and nothing else.
_ASKED = frozenset({"variables", "messages", "expected"})
# A purge names itself, leaves the SHA-256 of what was there, and takes away every text; a second one leaves the first digest.
_IS_PURGE = """
NEW.purge_id IS NOT NULL
AND NEW.purged_digest = CASE WHEN OLD.purge_id IS NULL THEN encode(sha256(convert_to(OLD.content, 'UTF8')), 'hex') ELSE OLD.purged_digest END
AND NOT (NEW.content::jsonb ?| ARRAY['variables', 'messages', 'expected', 'scorers'])
AND (NEW.id, NEW.suite_version_id, NEW.position, NEW.is_critical) = (OLD.id, OLD.suite_version_id, OLD.position, OLD.is_critical)
"""


class SuiteQuerySet(models.QuerySet["Suite"]):
    """Suites, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "SuiteQuerySet":
        """The suites of one workspace, by slug."""
        return self.filter(workspace_id=workspace_id).order_by("slug")


class Suite(models.Model):
    """A question that can be asked of any version of a prompt. `last_number` is the counter of its versions."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="suites")
    slug = models.SlugField(max_length=63)
    title = models.CharField(max_length=200)
    is_safety = models.BooleanField(default=False)
    last_number = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = SuiteQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "slug"], name="suite_slug_once_per_workspace")]

    def __str__(self) -> str:
        return self.slug

    @property
    def check_name(self) -> str:
        """The name its checks are posted under."""
        return f"suite/{self.slug}"


class SuiteVersion(AppendOnly):
    """What a suite asked at one moment, for good.

    `rules` is the JSON text of everything but the cases; `digest` covers both. The fields that queries and pages ask for
    are repeated as columns. `cluster_count` is null in versions saved before it was counted.
    """

    suite = models.ForeignKey(Suite, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    rules = models.TextField()
    case_count = models.PositiveIntegerField()
    cluster_count = models.PositiveIntegerField(null=True)
    mode = models.CharField(max_length=16)
    repeats = models.PositiveSmallIntegerField()
    looks = models.PositiveSmallIntegerField()
    author = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    author_name = models.CharField(max_length=254)
    key_name = models.CharField(max_length=120, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-number"]
        triggers = append_only_triggers()
        constraints = [models.UniqueConstraint(fields=["suite", "number"], name="suite_version_number_once")]

    def __str__(self) -> str:
        return f"{self.suite_id} v{self.number}"

    def load(self) -> SuiteContent:
        """Rules and cases as a plain value; one query, all cases in memory."""
        cases = self.cases.order_by("position").values_list("content", flat=True)
        return load_suite(json.loads(self.rules), [json.loads(content) for content in cases])

    def load_for_verdict(self) -> SuiteContent:
        """The same, with nothing of the cases that only a question needs: a tenth of the memory. One query."""
        contents = self.cases.order_by("position").values_list("content", flat=True).iterator(chunk_size=500)
        cases = (
            {name: value for name, value in json.loads(content).items() if name not in _ASKED} for content in contents
        )
        return load_suite(json.loads(self.rules), cases)

    def load_rules(self, cases: Iterable["Case"]) -> SuiteContent:
        """The same with some of the cases only: what a chunk needs."""
        return load_suite(json.loads(self.rules), [case.to_json() for case in cases])

    @property
    def posts_checks(self) -> bool:
        """False for suites that only report."""
        if self.mode != "report_only":
            return True
        metrics = json.loads(self.rules).get("metrics", [])
        return any(metric["mode"] != "report_only" for metric in metrics)


class Case(AppendOnly, Purgeable):
    """One question of a suite version: `content` is JSON text with variables, messages, expected answer and the rest.

    What results are filtered by is repeated as columns. Purged, it keeps key, tags, cluster and whether it is critical; the
    newest version of a suite has no purged case.
    """

    purged_columns = ("key", "tags", "content", "purge_id", "purged_digest")

    suite_version = models.ForeignKey(SuiteVersion, on_delete=models.PROTECT, related_name="cases")
    position = models.PositiveIntegerField()
    key = models.CharField(max_length=200)
    tags = ArrayField(models.CharField(max_length=100), default=list)
    is_critical = models.BooleanField(default=False)
    content = models.TextField()

    class Meta:
        ordering = ["position"]
        triggers = append_only_triggers(lets_pass=_IS_PURGE)
        constraints = [
            models.UniqueConstraint(fields=["suite_version", "key"], name="case_key_once_per_suite_version"),
            models.UniqueConstraint(fields=["suite_version", "position"], name="case_position_once_per_suite_version"),
        ]

    def __str__(self) -> str:
        return self.key

    def to_json(self) -> dict[str, JSON]:
        """The case as it was given, keys in the author's order."""
        return cast("dict[str, JSON]", json.loads(self.content))


class RunOn(models.TextChoices):
    """When an attached suite runs by itself: for each new version, or only when a promotion needs it."""

    NEW_VERSION = "new_version"
    PROMOTION = "promotion"


class SuiteAttachmentQuerySet(models.QuerySet["SuiteAttachment"]):
    """Attachments, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "SuiteAttachmentQuerySet":
        """Attachments of one workspace's prompts."""
        return self.filter(prompt__workspace_id=workspace_id).order_by("suite__slug")


class SuiteAttachment(models.Model):
    """A suite asked of a prompt's versions; a required one must have passed wherever policy asks for suites."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="suite_attachments")
    suite = models.ForeignKey(Suite, on_delete=models.PROTECT, related_name="attachments")
    is_required = models.BooleanField(default=False)
    run_on = models.CharField(max_length=16, choices=RunOn, default=RunOn.NEW_VERSION)
    created_at = models.DateTimeField(db_default=Now())

    objects = SuiteAttachmentQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "suite"], name="suite_attached_once_per_prompt")]

    def __str__(self) -> str:
        return f"{self.suite_id} on {self.prompt_id}"
