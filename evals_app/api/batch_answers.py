"""What the routes of batches answer, for the OpenAPI document, and the values themselves."""

from typing import Any

from rest_framework import serializers

from evals_app.api.answers import Progress
from evals_app.api.shapes import as_dollars
from evals_app.batch_queries import BatchSheet, Column
from evals_app.models import RunBatch, RunState, Verdict
from registry.core.api.bodies import JsonObject
from registry.core.canonical import JSON
from registry.core.times import rfc3339


class ColumnRate(serializers.Serializer[Any]):
    """The share of answers that pass, case by case; the bounds are null where there is too little to say."""

    mean = serializers.FloatField()
    lower = serializers.FloatField(allow_null=True)
    upper = serializers.FloatField(allow_null=True)
    case_count = serializers.IntegerField()


class ColumnScore(serializers.Serializer[Any]):
    """A scorer's mean over cases."""

    name = serializers.CharField()
    mean = serializers.FloatField()


class ColumnLatency(serializers.Serializer[Any]):
    """Of single answers, in milliseconds."""

    median = serializers.FloatField(allow_null=True)
    p90 = serializers.FloatField(allow_null=True)


class ColumnFlips(serializers.Serializer[Any]):
    """Cases against the first column."""

    better = serializers.IntegerField()
    worse = serializers.IntegerField()
    passed = serializers.IntegerField(help_text="On both.")
    failed = serializers.IntegerField(help_text="On both, or now and then.")
    error = serializers.IntegerField(help_text="On either.")


class BatchColumn(serializers.Serializer[Any]):
    """One model's run. What it says is null while the run is open; `flips` also in the first column."""

    run = serializers.IntegerField()
    state = serializers.ChoiceField(RunState.values)
    verdict = serializers.ChoiceField(Verdict.values, allow_null=True)
    settings = JsonObject(help_text="The effective model settings.")
    progress = Progress()
    passes = ColumnRate(allow_null=True)
    scores = ColumnScore(many=True)
    latency_ms = ColumnLatency()
    cost = serializers.FloatField(
        allow_null=True, help_text="Of the answers in US dollars; those from the cache with what they cost once."
    )
    judge_cost = serializers.FloatField(allow_null=True)
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    cached = serializers.IntegerField(help_text="Answers from the cache.")
    flips = ColumnFlips(allow_null=True)
    summary = serializers.CharField()


class BatchSummary(serializers.Serializer[Any]):
    """A comparison of models in a list."""

    id = serializers.IntegerField()
    prompt = serializers.CharField()
    version = serializers.IntegerField()
    suite = serializers.CharField()
    suite_version = serializers.IntegerField()
    started_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    url = serializers.CharField()


class Batch(BatchSummary):
    """A comparison of models: one column each, told against the first."""

    open = serializers.BooleanField(help_text="True while any run is under way.")
    progress = Progress()
    columns = BatchColumn(many=True)


def show_listed_batch(batch: RunBatch) -> dict[str, JSON]:
    """A batch without its columns; as `batches_of` loads it."""
    return {
        "id": batch.pk,
        "prompt": batch.prompt.name,
        "version": batch.version.number,
        "suite": batch.suite_version.suite.slug,
        "suite_version": batch.suite_version.number,
        "started_by": batch.started_by_name,
        "created_at": rfc3339(batch.created_at),
        "url": batch.url,
    }


def show_batch(sheet: BatchSheet) -> dict[str, JSON]:
    """All of a batch."""
    columns: list[JSON] = [_column(column, sheet.scorers) for column in sheet.columns]
    return {
        **show_listed_batch(sheet.batch),
        "open": sheet.is_open,
        "progress": {"done": sheet.progress.done, "total": sheet.progress.total, "errors": sheet.progress.errors},
        "columns": columns,
    }


def _column(column: Column, scorers: tuple[str, ...]) -> dict[str, JSON]:
    run, figures, rate = column.run, column.figures, column.rate
    scores: list[JSON] = [{"name": name, "mean": column.scores[name]} for name in scorers if name in column.scores]
    passes: JSON = None
    if rate is not None:
        passes = {"mean": rate.mean, "lower": rate.lower, "upper": rate.upper, "case_count": rate.cases}
    return {
        "run": run.pk,
        "state": run.state,
        "verdict": run.verdict or None,
        "settings": column.settings.to_json(),
        "progress": {"done": column.progress.done, "total": column.progress.total, "errors": column.progress.errors},
        "passes": passes,
        "scores": scores,
        "latency_ms": {"median": figures.median, "p90": figures.p90},
        "cost": as_dollars(figures.cost),
        "judge_cost": as_dollars(figures.judge_cost),
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "cached": figures.cached,
        "flips": dict(column.flips) if column.flips is not None else None,
        "summary": run.summary,
    }
