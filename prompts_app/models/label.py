"""Free labels: bookmarks on versions. They never decide what a service gets: that is what environments are for."""

from django.db import models
from django.db.models.functions import Now

from prompts_app.models.prompt import Prompt, PromptVersion


class VersionLabel(models.Model):
    """A word that points at one version of a prompt, and can be moved to another one."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="free_labels")
    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="free_labels")
    name = models.CharField(max_length=63, db_collation="C")
    moved_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["prompt", "name"], name="label_once_per_prompt")]

    def __str__(self) -> str:
        return f"{self.name} → {self.version_id}"
