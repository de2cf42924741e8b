"""What the answers of ended runs add up to case by case, written once, so that pages need not count them again."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from evals_app.models.run import Arm, Run


class ArmTally(models.Model):
    """One arm of an ended run: its answers by case, each list in the order of `cases`, which rises.

    `latencies` and `costs` are of single answers, errors and answers from the cache left out, of which there are `measured`.
    The sums and the quantiles (ms) are of all answers, `cached` counts those from the cache; null where nothing is known,
    `cached` where nothing but the lists was added up.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tallies")
    arm = models.CharField(max_length=10, choices=Arm)
    cases = ArrayField(models.BigIntegerField())
    answers = ArrayField(models.IntegerField())
    passed = ArrayField(models.IntegerField())
    errors = ArrayField(models.IntegerField())
    measured = models.PositiveIntegerField()
    latencies = ArrayField(models.FloatField())
    costs = ArrayField(models.FloatField())
    cached = models.PositiveIntegerField(null=True)
    cost = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    judge_cost = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    latency_median = models.FloatField(null=True)
    latency_p90 = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "arm"], name="tally_once_per_arm")]

    def __str__(self) -> str:
        return f"{self.arm} of run {self.run_id}"


class ArmScore(models.Model):
    """One score of an arm: the mean of each case that has one, in the order of `cases`, which rises."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="arm_scores")
    arm = models.CharField(max_length=10, choices=Arm)
    name = models.CharField(max_length=120)
    cases = ArrayField(models.BigIntegerField())
    means = ArrayField(models.FloatField())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "arm", "name"], name="arm_score_once_per_name")]

    def __str__(self) -> str:
        return f"{self.name} of {self.arm} of run {self.run_id}"
