"""What judges said, reply by reply: found again by what was asked, and counted by the model that was asked."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from evals_app.models.purge import Purgeable
from evals_app.models.run import Arm, Run
from evals_app.models.suite import Case


class JudgeReply(Purgeable):
    """One reply of a judge, to one of a scorer's questions about one answer, or why there is none.

    `error` names the kind of failure (`judge`: a reply outside its schema), `output` holds the reply or the excerpt.
    `cost` is in US dollars, null where the price is not known. `is_cached`: taken from an earlier run's reply to the
    same request; its cost is what it cost then, and counts in no total.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="judge_replies")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    arm = models.CharField(max_length=10, choices=Arm)
    repeat = models.PositiveIntegerField()
    scorer = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField()
    output = models.TextField(blank=True, default="")
    error = models.CharField(max_length=20, blank=True, default="")
    provider_name = models.CharField(max_length=63, blank=True, default="")
    model = models.CharField(max_length=200, blank=True, default="")
    request_digest = models.CharField(max_length=64, blank=True, default="")
    input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    is_cached = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "case", "arm", "repeat", "scorer", "position"], name="judge_reply_once_per_question"
            )
        ]
        indexes = [
            models.Index(
                fields=["request_digest"],
                condition=Q(error="", is_cached=False) & ~Q(request_digest=""),
                name="judge_reply_to_request",
            )
        ]

    def __str__(self) -> str:
        return f"{self.scorer} of {self.arm} on case {self.case_id} in run {self.run_id}"
