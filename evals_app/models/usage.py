"""What ended runs have used, added up: small enough to be asked about whole months."""

from django.db import models

from evals_app.models.run import Run


class RunUsage(models.Model):
    """The answers of one part of an ended run from one model: of an arm, or of its judges (`part` is "judge").

    `answers` are those asked for and got; those from the cache are only in `cached`, those without one in `errors`. `unpriced`
    are among the answers: their price is not known, and they are in no `cost`. Judges' answers are their replies; where
    these were not kept one by one, the model is empty and what they used is told by answers judged.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="usage")
    part = models.CharField(max_length=10)
    provider_name = models.CharField(max_length=63, blank=True, default="")
    model = models.CharField(max_length=200, blank=True, default="")
    answers = models.PositiveIntegerField()
    errors = models.PositiveIntegerField()
    cached = models.PositiveIntegerField()
    unpriced = models.PositiveIntegerField()
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    cost = models.DecimalField(max_digits=18, decimal_places=8, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "part", "provider_name", "model"], name="usage_once_per_part_and_model"
            )
        ]

    def __str__(self) -> str:
        return f"{self.part} of run {self.run_id} from {self.model}"
