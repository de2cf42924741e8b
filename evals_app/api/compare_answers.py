"""What the routes that compare answer, for the OpenAPI document; `compare_shapes` makes the values."""

from typing import Any

from rest_framework import serializers

from evals_app.models import Arm
from registry.core.api.bodies import JsonObject

FLIPS = ("better", "worse")
WORDS = ("better", "worse", "unclear", "unknown")


class ComparedSide(serializers.Serializer[Any]):
    """Whose answers are compared."""

    run = serializers.IntegerField()
    arm = serializers.ChoiceField(Arm.values)
    prompt = serializers.CharField()
    version = serializers.IntegerField()
    suite_version = serializers.IntegerField()
    state = serializers.CharField()
    settings = JsonObject(help_text="The effective model settings.")


class CaseCounts(serializers.Serializer[Any]):
    """Cases by what became of them. `left_out`: asked by one of the two suite versions only, or in other words."""

    common = serializers.IntegerField()
    left_out = serializers.IntegerField()
    better = serializers.IntegerField()
    worse = serializers.IntegerField()
    passed = serializers.IntegerField(help_text="On both sides.")
    failed = serializers.IntegerField(help_text="On both sides, or now and then.")
    error = serializers.IntegerField(help_text="On either side.")


class ScoreDifference(serializers.Serializer[Any]):
    """One score over the cases both sides answered. `delta` and the bounds are above 0 for better."""

    name = serializers.CharField()
    case_count = serializers.IntegerField()
    mean_old = serializers.FloatField()
    mean_new = serializers.FloatField()
    delta = serializers.FloatField()
    lower = serializers.FloatField(allow_null=True)
    upper = serializers.FloatField(allow_null=True)
    wins = serializers.IntegerField(help_text="Cases with a better score.")
    losses = serializers.IntegerField(help_text="Cases with a worse one.")
    p_value = serializers.FloatField(
        allow_null=True,
        help_text="McNemar's exact test, two-sided; null unless each case is one 0/1 answer on its own.",
    )
    says = serializers.ChoiceField(WORDS)
    sentence = serializers.CharField()


class Quantiles(serializers.Serializer[Any]):
    """A measure on one side, null where no answer has a value. `unknown` answers have none (a price not known)."""

    answers = serializers.IntegerField()
    unknown = serializers.IntegerField()
    total = serializers.FloatField(allow_null=True)
    median = serializers.FloatField(allow_null=True)
    p90 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)


class DistributionBin(serializers.Serializer[Any]):
    """Answers of each side with a value from `start` up to `end`, null for no end; empty bins are left out."""

    start = serializers.FloatField()
    end = serializers.FloatField(allow_null=True)
    old = serializers.IntegerField()
    new = serializers.IntegerField()


class MeasureDistribution(serializers.Serializer[Any]):
    """Latency in milliseconds or cost in US dollars of single answers; errors and answers from the cache left out."""

    measure = serializers.ChoiceField(("latency", "cost"))
    old = Quantiles()
    new = Quantiles()
    histogram = DistributionBin(many=True)


class FlippedCase(serializers.Serializer[Any]):
    """A case that one side passed every time and the other did not; `case_number` is its place in the newer suite version."""

    case = serializers.CharField()
    case_number = serializers.IntegerField()
    critical = serializers.BooleanField()
    flip = serializers.ChoiceField(FLIPS)
    old_passed = serializers.IntegerField()
    old_answers = serializers.IntegerField()
    new_passed = serializers.IntegerField()
    new_answers = serializers.IntegerField()


class Comparison(serializers.Serializer[Any]):
    """Two sides on one suite; `flipped` is a page of cases, `next` the address of the page after it."""

    suite = serializers.CharField()
    old = ComparedSide()
    new = ComparedSide()
    scores_alike = serializers.BooleanField(help_text="False where the two suite versions have other scorers.")
    cases = CaseCounts()
    scores = ScoreDifference(many=True)
    distributions = MeasureDistribution(many=True)
    flipped = FlippedCase(many=True)
    next = serializers.CharField(allow_null=True)


class TagRate(serializers.Serializer[Any]):
    """The cases of one tag; rates are null where no answer came, the baseline's too where there is none."""

    tag = serializers.CharField()
    case_count = serializers.IntegerField()
    candidate = serializers.FloatField(allow_null=True)
    baseline = serializers.FloatField(allow_null=True)
    delta = serializers.FloatField(allow_null=True)
    errors = serializers.IntegerField(help_text="Answers in error, on either side.")  # type: ignore[assignment]


class VersionScore(serializers.Serializer[Any]):
    """A version's pass rate on a suite; the bounds are null where there is too little to say."""

    version = serializers.IntegerField()
    run = serializers.IntegerField()
    suite_version = serializers.IntegerField()
    score = serializers.FloatField()
    lower = serializers.FloatField(allow_null=True)
    upper = serializers.FloatField(allow_null=True)
    case_count = serializers.IntegerField()
