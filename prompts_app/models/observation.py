"""What services report of versions in use: a bounded number of observations each, the newest."""

from django.db import models

from prompts_app.models.prompt import PromptVersion

KEPT_PER_VERSION = 1_000


class Observation(models.Model):
    """One answer of a model to a version, as a service told of it: nothing of what was asked or answered.

    `span` names it at its origin, so that what is sent twice counts once. What was not told is null.
    """

    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="observations")
    span = models.CharField(max_length=64)
    environment = models.CharField(max_length=63, blank=True, default="")
    model = models.CharField(max_length=200, blank=True, default="")
    at = models.DateTimeField()
    latency_ms = models.PositiveIntegerField(null=True)
    input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "span"], name="observation_once")]
        indexes = [models.Index(fields=["version", "-at", "-id"], name="newest_observations")]

    def __str__(self) -> str:
        return f"{self.version_id} at {self.at:%Y-%m-%d %H:%M:%S}"
