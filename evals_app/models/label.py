"""What people say of answers: the measure of those who judge them."""

from django.db import models
from django.db.models.functions import Now

from evals_app.models.run import Result
from registry.core.models import Member


class Label(models.TextChoices):
    """Whether somebody lets an answer pass."""

    PASSED = "passed"
    FAILED = "failed"


class ResultLabel(models.Model):
    """A member's word on an answer, as a whole or (`scorer` names one) on what one scorer looks at.

    One of each member and scorer; said again it takes the place of the one before.
    """

    result = models.ForeignKey(Result, on_delete=models.CASCADE, related_name="labels")
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    scorer = models.CharField(max_length=100, blank=True, default="")
    label = models.CharField(max_length=8, choices=Label)
    note = models.TextField(blank=True, default="")
    key_name = models.CharField(max_length=120, blank=True, default="")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["result", "member", "scorer"], name="label_once_per_result_member_scorer")
        ]

    def __str__(self) -> str:
        return f"{self.label} on result {self.result_id}"

    @property
    def is_passed(self) -> bool:
        """What it says."""
        return self.label == Label.PASSED
