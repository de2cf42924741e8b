"""What somebody tried on a model, so that what it may have cost counts; what was said is not kept."""

from django.db import models
from django.db.models.functions import Now

from prompts_app.models import Prompt, PromptVersion
from registry.core.models import Member, Workspace


class Tryout(models.Model):
    """One question asked from a prompt's page; `version` is None for the person's draft.

    Or one asked of a judge from a suite's editor: `prompt` is then the judge's, None where it is not kept yet or none judges.
    `cost` in US dollars is what the answer may cost at most until it is settled, then what it did cost: None where the price
    is not known. One that nobody settled counts as spent.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    prompt = models.ForeignKey(Prompt, null=True, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(PromptVersion, null=True, on_delete=models.PROTECT, related_name="+")
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    provider_name = models.CharField(max_length=63)
    model = models.CharField(max_length=200)
    cost = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    is_settled = models.BooleanField(default=False)
    input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    error = models.CharField(max_length=20, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["workspace", "created_at"], name="tryout_by_day")]

    def __str__(self) -> str:
        return f"{self.prompt_id} on {self.model}"
