"""What clients reported of versions in use, added up: how often, how fast, how many tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Aggregate, Avg, Count, FloatField, Max

from prompts_app.models import KEPT_PER_VERSION, Observation, PromptVersion


class Median(Aggregate):
    """The value in the middle; nulls do not count."""

    template = "percentile_cont(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class Observed:
    """What was told of one version in one environment (empty: by a key of all) with one model; what was not told is None.

    Milliseconds, and tokens an answer.
    """

    environment: str
    model: str
    count: int
    last_at: datetime
    median_ms: float | None
    input_tokens: float | None
    output_tokens: float | None

    @property
    def median_s(self) -> float | None:
        """In seconds."""
        return None if self.median_ms is None else self.median_ms / 1000


def observed(version: PromptVersion) -> list[Observed]:
    """What is kept of a version, the newest thousand reports, the most frequent first. One query."""
    rows = Observation.objects.filter(version=version).values("environment", "model").order_by()
    found = rows.annotate(
        count=Count("pk"),
        last_at=Max("at"),
        median_ms=Median("latency_ms"),
        input_mean=Avg("input_tokens"),
        output_mean=Avg("output_tokens"),
    ).order_by("-count", "environment", "model")
    return [
        Observed(
            one["environment"],
            one["model"],
            one["count"],
            one["last_at"],
            one["median_ms"],
            one["input_mean"],
            one["output_mean"],
        )
        for one in found
    ]


@dataclass(frozen=True)
class Reported:
    """How often a version was reported, as far as it is kept, and when last."""

    count: int
    last_at: datetime

    @property
    def is_capped(self) -> bool:
        """Whether there may have been more."""
        return self.count >= KEPT_PER_VERSION


def reported(versions: Iterable[PromptVersion]) -> dict[int, Reported]:
    """By the versions' ids, those that were reported; one query."""
    rows = Observation.objects.filter(version__in=[version.pk for version in versions]).values("version").order_by()
    found = rows.annotate(count=Count("pk"), last_at=Max("at")).values_list("version", "count", "last_at")
    return {pk: Reported(count, last_at) for pk, count, last_at in found}
