"""What evaluation has used: written for each run that ends, read by month, prompt, model, judge and version."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncMonth

from evals_app.models import Run, RunUsage
from evals_app.models.run import OPEN_STATES, RunState
from prompts_app.models import Prompt, PromptVersion

MONTHS = 24

_RECORD = """
  INSERT INTO evals_app_runusage
    (run_id, part, provider_name, model, answers, errors, cached, unpriced, input_tokens, output_tokens, cost)
  SELECT run_id, arm, provider_name, model,
    count(*) FILTER (WHERE error = '' AND NOT is_cached), count(*) FILTER (WHERE error <> ''),
    count(*) FILTER (WHERE is_cached), count(*) FILTER (WHERE error = '' AND NOT is_cached AND cost IS NULL),
    sum(input_tokens) FILTER (WHERE NOT is_cached), sum(output_tokens) FILTER (WHERE NOT is_cached), sum(cost)
  FROM evals_app_result WHERE run_id = %(run)s GROUP BY run_id, arm, provider_name, model
  UNION ALL
  SELECT run_id, 'judge', provider_name, model,
    count(*) FILTER (WHERE error = '' AND NOT is_cached), count(*) FILTER (WHERE error <> ''),
    count(*) FILTER (WHERE is_cached), count(*) FILTER (WHERE error = '' AND NOT is_cached AND cost IS NULL),
    sum(input_tokens) FILTER (WHERE NOT is_cached), sum(output_tokens) FILTER (WHERE NOT is_cached),
    sum(cost) FILTER (WHERE NOT is_cached)
  FROM evals_app_judgereply WHERE run_id = %(run)s GROUP BY run_id, provider_name, model
  UNION ALL
  SELECT run_id, 'judge', '', '', count(*), 0, 0, count(*) FILTER (WHERE judge_cost IS NULL),
    sum(judge_input_tokens), sum(judge_output_tokens), sum(judge_cost)
  FROM evals_app_result result
  WHERE run_id = %(run)s AND (judge_input_tokens IS NOT NULL OR judge_cost IS NOT NULL) AND NOT EXISTS (
    SELECT FROM evals_app_judgereply reply WHERE reply.run_id = result.run_id AND reply.case_id = result.case_id
      AND reply.arm = result.arm AND reply.repeat = result.repeat
  )
  GROUP BY run_id
"""

_SUMMED = ("answers", "errors", "cached", "unpriced", "input_tokens", "output_tokens")
_COLUMNS = {
    "run_count": Count("run", distinct=True),
    "cost_sum": Sum("cost"),
    **{f"{name}_sum": Sum(name) for name in _SUMMED},
}


@dataclass(frozen=True)
class UsageLine:
    """What one thing has used; `cost` in US dollars without the `unpriced` answers, None where no price is known at all."""

    name: str
    runs: int = 0
    answers: int = 0
    errors: int = 0
    cached: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None


@dataclass(frozen=True)
class MonthUsage:
    """A workspace's month: in all, by prompt, and by provider and model, of which judges are told apart.

    `under_way` runs are not counted yet.
    """

    month: date
    total: UsageLine
    by_prompt: tuple[UsageLine, ...]
    by_model: tuple[UsageLine, ...]
    by_judge: tuple[UsageLine, ...]
    under_way: int


def record_usage(run: Run) -> None:
    """Write what a run that ends has used, once more where it had ended before; two queries."""
    RunUsage.objects.filter(run=run).delete()
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, {"run": run.pk})


def months_of(workspace_id: int) -> tuple[tuple[date, UsageLine], ...]:
    """The last months in which runs ended, newest first; one query."""
    rows = RunUsage.objects.filter(run__workspace=workspace_id, run__finished_at__isnull=False)
    months = rows.annotate(month=TruncMonth("run__finished_at", tzinfo=UTC)).order_by("-month").values("month")
    found = months.annotate(**_COLUMNS)[:MONTHS]
    return tuple((row["month"].date(), _line(f"{row['month']:%B %Y}", row)) for row in found)


def month_usage(workspace_id: int, month: date) -> MonthUsage:
    """One month by UTC; five queries."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    end = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
    ended = {"run__finished_at__gte": start, "run__finished_at__lt": end}
    rows = RunUsage.objects.filter(run__workspace=workspace_id, **ended).order_by()
    prompts = rows.values("run__prompt__name").annotate(**_COLUMNS)
    models = rows.exclude(part="judge").values("provider_name", "model").annotate(**_COLUMNS)
    judges = rows.filter(part="judge").values("provider_name", "model").annotate(**_COLUMNS)
    return MonthUsage(
        month=start.date(),
        total=_line("all", rows.aggregate(**_COLUMNS)),
        by_prompt=_costly(_line(row["run__prompt__name"], row) for row in prompts),
        by_model=_costly(_line(_model(row["provider_name"], row["model"]), row) for row in models),
        by_judge=_costly(_line(_judge(row["provider_name"], row["model"]), row) for row in judges),
        under_way=Run.objects.in_workspace(workspace_id).filter(state__in=OPEN_STATES).count(),
    )


def usage_of_version(version: PromptVersion) -> UsageLine:
    """What asking a version's content has used in all ended runs, on either arm; one query."""
    asked = Q(part="candidate", run__candidate__digest=version.digest)
    asked |= Q(part="baseline", run__baseline__digest=version.digest)
    rows = RunUsage.objects.filter(asked, run__prompt=version.prompt_id).order_by()
    return _line(f"v{version.number}", rows.aggregate(**_COLUMNS))


@dataclass(frozen=True)
class Pace:
    """What each answer of a run took, of the time that the whole run lasted, and cost, judges included; `cost` is None where
    a price is not known."""

    run_id: int
    took: timedelta
    cost: Decimal | None

    def of(self, questions: int) -> "Pace":
        """What so many would take and cost."""
        return Pace(self.run_id, self.took * questions, None if self.cost is None else self.cost * questions)


def last_pace(prompt: Prompt, suite: str) -> Pace | None:
    """That of a prompt's last finished run on a suite, None where nothing was asked yet; one query."""
    rows = Run.objects.filter(prompt=prompt, suite_version__suite__slug=suite, state=RunState.FINISHED)
    counted = rows.annotate(
        asked=Sum("usage__answers", filter=~Q(usage__part="judge")),
        paid=Sum("usage__cost"),
        unknown=Sum("usage__unpriced"),
    ).filter(asked__gt=0)
    told = ("pk", "started_at", "finished_at", "asked", "paid", "unknown")
    run: Mapping[str, Any] | None = counted.order_by("-pk").values(*told).first()
    if run is None:
        return None
    cost = None if run["unknown"] or run["paid"] is None else run["paid"] / run["asked"]
    return Pace(run["pk"], (run["finished_at"] - run["started_at"]) / run["asked"], cost)


def _line(name: str, row: Mapping[str, Any]) -> UsageLine:
    counts = {column: row[f"{column}_sum"] or 0 for column in _SUMMED}
    return UsageLine(name, runs=row["run_count"], cost=row["cost_sum"], **counts)


def _costly(lines: Iterable[UsageLine]) -> tuple[UsageLine, ...]:
    """The dearest first, and by tokens where no price is known."""
    return tuple(
        sorted(lines, key=lambda line: (-(line.cost or 0), -line.input_tokens - line.output_tokens, line.name))
    )


def _model(provider: str, model: str) -> str:
    return f"{provider}: {model}" if provider else "asked of nobody"


def _judge(provider: str, model: str) -> str:
    """Runs of before replies were kept one by one know only what their judges used together."""
    return f"{provider}: {model}" if provider else "model not recorded"
