"""Batches as the page and the API read them: one column a model, each told against the first."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Count, QuerySet

from evals_app.case_rates import Rates, case_rates, clusters_in
from evals_app.comparison_sql import RunArm, flip_counts
from evals_app.differences import rate_bounds
from evals_app.model_settings import ModelSettings
from evals_app.models import Run, RunBatch
from evals_app.run_queries import PAGE_SIZE, Progress, progress_of, runs_of, shown_state
from evals_app.score_units import units_of
from evals_app.scorer_queries import scorers_named
from evals_app.scorers.spec import PASSES
from evals_app.tallies import added_up
from evals_app.verdict_rules import Unit

_FIGURES = """
  SELECT run_id, count(*) FILTER (WHERE is_cached), sum(cost), sum(input_tokens), sum(output_tokens), sum(judge_cost),
         percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE error = '')
  FROM evals_app_result WHERE run_id = ANY(%(runs)s) GROUP BY run_id
"""
_SUMS = """
  SELECT run_id, cached, cost, input_tokens, output_tokens, judge_cost, ARRAY[latency_median, latency_p90]
  FROM evals_app_armtally WHERE run_id = ANY(%(runs)s) AND arm = 'candidate' AND cached IS NOT NULL
"""
_MEANS = """
  SELECT run_id, name, (SELECT avg(mean) FROM unnest(means) AS mean) FROM evals_app_armscore
  WHERE run_id = ANY(%(runs)s) AND arm = 'candidate' AND name <> %(passes)s
"""
_SCORES = """
  SELECT run_id, name, avg(mean) FROM (
    SELECT run_id, case_id, s->>'name' AS name, avg((s->>'score')::float8) AS mean
    FROM evals_app_result CROSS JOIN LATERAL json_array_elements(scores::json) s
    WHERE run_id = ANY(%(runs)s) AND error = '' GROUP BY 1, 2, 3
  ) cases GROUP BY run_id, name
"""


@dataclass(frozen=True)
class Figures:
    """What the answers of a column used, copies from the cache included with what they cost when they were asked.

    `judge_cost` is what judging them cost. None where nothing is known.
    """

    cached: int = 0
    cost: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    judge_cost: Decimal | None = None
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True)
class Rate:
    """A pass rate with its bounds, None where there is too little to say, and how many cases were answered."""

    mean: float
    lower: float | None
    upper: float | None
    cases: int


@dataclass(frozen=True)
class Column:
    """One model's run. What it says is there once the run has ended; `flips` once the first has ended too.

    `asked` are the parameters it was asked with.
    """

    run: Run
    settings: ModelSettings
    progress: Progress
    rate: Rate | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    flips: Mapping[str, int] | None = None

    @property
    def number(self) -> int:
        """Its place, counted from 1."""
        return (self.run.batch_position or 0) + 1

    @property
    def state(self) -> str:
        """Where its run is, or what it says."""
        return shown_state(self.run, self.progress)


@dataclass(frozen=True)
class BatchSheet:
    """A batch with its columns, and the scorers that they have scores of, in the order of the suite."""

    batch: RunBatch
    columns: tuple[Column, ...]
    scorers: tuple[str, ...]
    units: Mapping[str, Unit]

    @property
    def is_open(self) -> bool:
        """True while any run is under way."""
        return any(column.run.is_open for column in self.columns)

    @property
    def progress(self) -> Progress:
        """All columns together."""
        parts = [column.progress for column in self.columns]
        return Progress(*(sum(getattr(one, name) for one in parts) for name in ("done", "total", "errors")))

    @property
    def sure(self) -> float:
        """How sure each bound of a rate is."""
        return 1 - float(json.loads(self.batch.suite_version.rules)["alpha"])

    @property
    def score_rows(self) -> tuple[tuple[str, Unit, tuple[float | None, ...]], ...]:
        """Each scorer with what it is told in, and its mean in every column."""
        return tuple(
            (name, self.units.get(name, "score"), tuple(column.scores.get(name) for column in self.columns))
            for name in self.scorers
        )


def batches_of(workspace_id: int) -> QuerySet[RunBatch]:
    """The workspace's batches with what listing them needs, newest first."""
    related = ("workspace", "prompt", "version__prompt", "suite_version__suite")
    rows = RunBatch.objects.filter(workspace_id=workspace_id).select_related(*related)
    return rows.annotate(column_count=Count("runs")).order_by("-pk")


def batch_list(workspace_id: int, *, page: str | None) -> "Page[RunBatch]":
    """One page of batches, newest first; two queries."""
    return Paginator(batches_of(workspace_id), PAGE_SIZE).get_page(page)


def batch_sheet(batch: RunBatch) -> BatchSheet:
    """All of a batch; two queries while nothing has ended, ten and one more a column once they have."""
    runs = list(runs_of(batch.workspace_id).filter(batch=batch).order_by("batch_position"))
    progress = progress_of(runs)
    ended = [run for run in runs if not run.is_open]
    rules = json.loads(batch.suite_version.rules)
    rates = _rates(batch, ended, alpha=rules["alpha"]) if ended else {}
    scores = _scores(ended) if ended else {}
    figures = _figures(ended) if ended else {}
    columns = tuple(
        Column(
            run,
            ModelSettings.from_json(json.loads(run.candidate_settings)),
            progress[run.pk],
            rate=rates.get(run.pk),
            scores=scores.get(run.pk, {}),
            figures=figures.get(run.pk, Figures()),
            flips=_flips(runs[0], run),
        )
        for run in runs
    )
    order = {spec["name"]: place for place, spec in enumerate(rules["scorers"])}
    named = {name for found in scores.values() for name in found}
    names = tuple(sorted(named, key=lambda name: (order.get(name, len(order)), name)))
    units = units_of(scorers_named(batch.suite_version, names).values())
    return BatchSheet(batch, columns, names, units)


def _rates(batch: RunBatch, runs: Sequence[Run], *, alpha: float) -> dict[int, Rate]:
    clusters = clusters_in([batch.suite_version_id])
    is_single = batch.suite_version.repeats == 1
    return {pk: _rate(found, clusters, is_single=is_single, alpha=alpha) for pk, found in case_rates(runs).items()}


def _rate(found: Rates, clusters: Mapping[int, str], *, is_single: bool, alpha: float) -> Rate:
    cases, means = found
    labels = [clusters.get(case, f"case:{case}") for case in cases]
    bounds = rate_bounds(means, labels, is_single=is_single, alpha=alpha)
    lower, upper = bounds or (None, None)
    return Rate(sum(means) / len(means), lower, upper, len(cases))


def _scores(runs: Sequence[Run]) -> dict[int, dict[str, float]]:
    """The mean of each score, by run: of runs that were added up from that, of others counted."""
    found: dict[int, dict[str, float]] = {}
    added = added_up(runs)
    for statement, some in ((_MEANS, added), (_SCORES, {run.pk for run in runs} - added)):
        for pk, name, mean in _rows(statement, some):
            if mean is not None:
                found.setdefault(pk, {})[name] = mean
    return found


def _figures(runs: Sequence[Run]) -> dict[int, Figures]:
    added = added_up(runs)
    rows = [*_rows(_SUMS, added), *_rows(_FIGURES, {run.pk for run in runs} - added)]
    return {pk: Figures(*sums, *(quantiles or ())) for pk, *sums, quantiles in rows}


def _rows(statement: str, runs: Collection[int]) -> list[tuple[Any, ...]]:
    if not runs:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement, {"runs": list(runs), "passes": PASSES})
        return list(cursor.fetchall())


def _flips(first: Run, run: Run) -> dict[str, int] | None:
    if run.pk == first.pk or run.is_open or first.is_open:
        return None
    return flip_counts(RunArm(first), RunArm(run))
