"""Prompts, their immutable versions, and people's drafts."""

import json
import re
from typing import cast

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Now

from prompts_app.content import CONTENT_FIELDS, TemplateSource, VersionContent, load_content
from registry.core.canonical import JSON
from registry.core.models import AppendOnly, Member, Workspace, append_only_triggers

SEARCH_CONFIG = "simple"
# PostgreSQL gives up on a word that is denied more than thirty times over: once is as good as any.
DENIED_AGAIN = re.compile(r"-(?:[^\w\"-]*-)+")
AROUND_SLASH = re.compile(r"\s*/\s*")


class Kind(models.TextChoices):
    """A prompt is one text or a list of messages, for good."""

    TEXT = "text"
    CHAT = "chat"


class PromptQuerySet(models.QuerySet["Prompt"]):
    """Prompts, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "PromptQuerySet":
        """Prompts of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def archived(self, archived: bool) -> "PromptQuerySet":
        """Only the archived ones, or only the others."""
        return self.filter(archived_at__isnull=not archived)

    def in_folder(self, folder: str) -> "PromptQuerySet":
        """Prompts below a folder, at any depth."""
        return self.filter(name__startswith=f"{folder.rstrip('/')}/") if folder else self

    def matching(self, text: str) -> "PromptQuerySet":
        """Full-text search over name, description, tags, authors and the newest text; part of a name matches too, its
        folders with it."""
        query = SearchQuery(DENIED_AGAIN.sub("-", text), config=SEARCH_CONFIG, search_type="websearch")
        part = AROUND_SLASH.sub("/", text.strip())
        return self.filter(models.Q(search=query) | models.Q(name__icontains=part)) if part else self


class Prompt(models.Model):
    """A name under which versions are kept. Never renamed, never deleted: copy and archive instead.

    `last_number` is the counter its versions take their numbers from; updating it is the first lock of an action.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="prompts")
    name = models.CharField(max_length=255, db_collation="C")
    kind = models.CharField(max_length=8, choices=Kind)
    description = models.TextField(blank=True, default="")
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    last_number = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    archived_at = models.DateTimeField(null=True, blank=True)
    # What search looks through, written by the actions that change any of it; cut, since a tsvector ends at 1 MB.
    searchable = models.TextField(default="")
    search = models.GeneratedField(
        expression=SearchVector("searchable", config=SEARCH_CONFIG), output_field=SearchVectorField(), db_persist=True
    )

    objects = PromptQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="prompt_name_once_per_workspace")]
        indexes = [GinIndex(fields=["search"], name="prompt_search")]

    def __str__(self) -> str:
        return self.name

    @property
    def folders(self) -> list[tuple[str, str]]:
        """Each folder it lies in, outermost first: its own name, and its whole path."""
        names = self.name.split("/")[:-1]
        return [(name, "/".join(names[: depth + 1])) for depth, name in enumerate(names)]

    @property
    def is_archived(self) -> bool:
        """Archived prompts are kept and readable, but take no new versions."""
        return self.archived_at is not None


class PromptVersionQuerySet(models.QuerySet["PromptVersion"]):
    """Versions, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "PromptVersionQuerySet":
        """Versions of one workspace's prompts."""
        return self.filter(prompt__workspace_id=workspace_id)


class PromptVersion(AppendOnly):
    """What a prompt said at one moment, for good.

    `content` is the JSON text of what is served, in the author's order; `source` is the JSON text of `text` or `messages`
    as written where that differs (include tags not expanded), else empty. `digest` covers `content`.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    content = models.TextField()
    source = models.TextField(blank=True, default="")
    message = models.TextField(blank=True, default="")
    author = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="versions")
    author_name = models.CharField(max_length=254)
    key_name = models.CharField(max_length=120, blank=True, default="")
    based_on = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = PromptVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        triggers = append_only_triggers()
        constraints = [models.UniqueConstraint(fields=["prompt", "number"], name="version_number_once_per_prompt")]
        indexes = [models.Index(fields=["prompt", "digest"], name="version_by_digest")]

    def __str__(self) -> str:
        return f"{self.prompt.name} v{self.number}"

    def load(self) -> VersionContent:
        """The content as a plain value."""
        return load_content(self.prompt.kind, json.loads(self.content))

    def to_json(self) -> dict[str, JSON]:
        """The stored content fields in the order they are served."""
        return cast("dict[str, JSON]", json.loads(self.content))

    def written(self) -> TemplateSource:
        """The template as its author wrote it, include tags and all."""
        return load_content(self.prompt.kind, {**self.to_json(), **json.loads(self.source or "{}")}).source

    def editable(self) -> dict[str, JSON]:
        """What an editor starts from: the content fields with include tags as they were written."""
        fields = {name: value for name, value in self.to_json().items() if name in CONTENT_FIELDS}
        return {**fields, **json.loads(self.source)} if self.source else fields


class VersionYank(AppendOnly):
    """A version withdrawn with a reason: it still answers an exact pin, but can never go live again."""

    version = models.OneToOneField(PromptVersion, on_delete=models.PROTECT, related_name="yank")
    reason = models.TextField()
    by = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        triggers = append_only_triggers()

    def __str__(self) -> str:
        return f"{self.version} withdrawn"


class Draft(models.Model):
    """What one person has typed and not saved as a version; `content` is the JSON text of the editor's form."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="drafts")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="drafts")
    content = models.TextField()
    message = models.TextField(blank=True, default="")
    based_on = models.PositiveIntegerField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "member"], name="one_draft_per_person")]

    def __str__(self) -> str:
        return f"draft of {self.prompt_id} by {self.member_id}"

    @property
    def stamp(self) -> str:
        """Another one after each save."""
        return self.updated_at.isoformat()


class Follow(models.Model):
    """Somebody hears of what happens to a prompt without having had a part in it."""

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="follows")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "member"], name="follow_once")]

    def __str__(self) -> str:
        return f"{self.member_id} follows {self.prompt_id}"
