"""What services say that they serve: the engine's own bookkeeping, kept for a while."""

from django.db import models

from prompts_app.models.environment import Environment
from prompts_app.models.prompt import Prompt, PromptVersion
from registry.core.models import ApiKey


class ServedVersion(models.Model):
    """How often a key's services gave out a version on a day (UTC), as they told; `client` and `host` told it last."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(PromptVersion, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    count = models.PositiveBigIntegerField()
    first_served_at = models.DateTimeField()
    last_served_at = models.DateTimeField()
    client = models.CharField(max_length=201)
    host = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "key", "version", "day"], name="served_counted_once_a_day")
        ]
        indexes = [
            models.Index(fields=["prompt", "environment"], name="served_of_prompt"),
            models.Index(fields=["day"], name="served_by_day"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} served {self.version_id} {self.count} times on {self.day}"
