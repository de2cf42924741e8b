"""Batches: runs that one action started to compare models."""

from django.db import models
from django.db.models.functions import Now

from evals_app.models.suite import SuiteVersion
from prompts_app.models import Prompt, PromptVersion
from registry.core.models import Member, Workspace


class RunBatch(models.Model):
    """One version asked the same suite of several models: its runs lie beside each other, the others told against the first."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="batches")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="batches")
    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="batches")
    suite_version = models.ForeignKey(SuiteVersion, on_delete=models.PROTECT, related_name="batches")
    started_by = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+")
    started_by_name = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["workspace", "-id"], name="batch_by_workspace")]

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"/w/{self.workspace.slug}/runs/batches/{self.pk}"
