"""Metrics and slices of runs as pages show them: numbers in the metric's own words, intervals drawn."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from evals_app.interval_drawing import MINUS, Drawing, draw_difference, draw_score, signed_points
from evals_app.metric_rules import MEASURES
from evals_app.models import Run, RunMetric, RunSlice, SuiteVersion
from evals_app.verdict_rules import COMPARING, Unit
from evals_app.verdict_words import change, plain, score, which_way

NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Line[Row: (RunMetric, RunSlice)]:
    """A metric of a run, or a slice of one, with its interval drawn, where it has one."""

    metric: Row
    drawing: Drawing | None

    @property
    def unit(self) -> Unit:
        """What its means are told in."""
        return cast("Unit", self.metric.unit)

    @property
    def now(self) -> str:
        """The candidate's mean."""
        return _score(self.metric.mean_new, self.unit)

    @property
    def was(self) -> str:
        """The baseline's."""
        return _score(self.metric.mean_base, self.unit)

    @property
    def difference(self) -> str:
        """How the two differ: in points, in the score's own numbers, or by ratio."""
        return difference(self.metric.delta, self.unit)

    @property
    def word(self) -> str:
        """Better, worse or no clear difference, where it was compared with something."""
        lower, upper = self.metric.lower, self.metric.upper
        if (
            lower is None
            or upper is None
            or not isinstance(self.metric, RunMetric)
            or self.metric.mode not in COMPARING
        ):
            return ""
        return which_way(lower, upper)

    @property
    def bounds(self) -> str:
        """Where the true difference lies, or the true score."""
        lower, upper = self.metric.lower, self.metric.upper
        if lower is None or upper is None:
            return ""
        if isinstance(self.metric, RunMetric) and self.metric.mode == "floor":
            return f"between {score(lower, self.unit)} and {score(upper, self.unit)}"
        low, high = (upper, lower) if self.unit in MEASURES.values() else (lower, upper)
        return f"between {difference(low, self.unit)} and {difference(high, self.unit)}"


type MetricLine = Line[RunMetric]
type SliceLine = Line[RunSlice]


def difference(delta: float | None, unit: Unit) -> str:
    """A difference as it is told, better above 0; of what is compared by ratio the change itself: `3.1 % lower`."""
    if delta is None:
        return NONE
    if unit in MEASURES.values():
        return change(-delta)
    if unit == "rate":
        return signed_points(delta)
    return f"{'+' if delta > 0 else MINUS if delta < 0 else ''}{plain(abs(delta))}"


def metric_lines(version: SuiteVersion, metrics: Iterable[RunMetric]) -> tuple[MetricLine, ...]:
    """Metrics of a run of that suite version with their intervals drawn."""
    rules = json.loads(version.rules)
    return tuple(Line(metric, _drawing(metric, rules["margin"], rules["first_floor"])) for metric in metrics)


def metrics_of(runs: Sequence[Run]) -> dict[int, list[MetricLine]]:
    """The metrics of each run in order; one query."""
    versions = {run.pk: run.suite_version for run in runs}
    found: dict[int, list[RunMetric]] = defaultdict(list)
    for metric in RunMetric.objects.filter(run__in=list(versions)).order_by("run", "position"):
        found[metric.run_id].append(metric)
    return {pk: list(metric_lines(versions[pk], metrics)) for pk, metrics in found.items()}


def slices_of(run: Run) -> tuple[SliceLine, ...]:
    """The slices of a run, those that failed first, then by metric and tag; one query."""
    rows = sorted(RunSlice.objects.filter(run=run), key=lambda one: (one.verdict != "failed", one.position))
    return tuple(Line(one, None) for one in rows)


def worse_slices(runs: Sequence[Run]) -> dict[int, list[SliceLine]]:
    """The slices that failed, by run; one query."""
    found: dict[int, list[SliceLine]] = defaultdict(list)
    for one in RunSlice.objects.filter(run__in=[run.pk for run in runs], verdict="failed").order_by("run", "position"):
        found[one.run_id].append(Line(one, None))
    return found


def _score(value: float | None, unit: Unit) -> str:
    return NONE if value is None else score(value, unit)


def _drawing(metric: RunMetric, margin: float, floor: float) -> Drawing | None:
    """`margin` and `floor` are the suite's, for runs that did not note their line."""
    if metric.lower is None or metric.upper is None:
        return None
    if metric.mode == "floor":
        line = floor if metric.line is None else metric.line
        return (
            draw_score(metric.lower, metric.upper, metric.mean_new or 0.0, floor=line)
            if metric.unit == "rate"
            else None
        )
    margin = margin if metric.line is None else -metric.line
    return draw_difference(
        metric.lower, metric.upper, metric.delta or 0.0, margin=margin, unit=cast("Unit", metric.unit)
    )
