"""Runs as pages and the API read them: how far they are, what they cost, what they say, and their cases one by one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import Aggregate, Count, Exists, FloatField, Q, QuerySet, Sum
from django.utils import timezone

from evals_app import asking_words
from evals_app.case_counts import flipped_cases
from evals_app.excerpts import excerpt
from evals_app.metric_lines import MetricLine, SliceLine, metrics_of, slices_of, worse_slices
from evals_app.models import Arm, Case, Result, Run, RunChunk, RunState, Verdict
from evals_app.run_totals import Totals, judged_totals, totals_of
from evals_app.stats import level_per_look
from registry.core.canonical import JSON
from registry.core.models import JobState

PAGE_SIZE = 50
SOON = timedelta(seconds=15)  # within which a worker that is free has taken up a run
_SUMS = """
  SELECT arm, (SELECT sum(n) FROM unnest(answers) n), (SELECT sum(n) FROM unnest(errors) n),
         cost, input_tokens, output_tokens, latency_median
  FROM evals_app_armtally WHERE run_id = %s AND cached IS NOT NULL
"""


class Median(Aggregate):
    """The middle value; null for none."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)%(filter)s"
    output_field = FloatField()


@dataclass(frozen=True)
class Progress:
    """How many of a run's answers are in; errors are among the done ones. `asking` counts
    its chunks that are with a worker now; `is_busy`: a worker is at something, be it this run or another."""

    done: int = 0
    total: int = 0
    errors: int = 0
    asking: int = 0
    is_busy: bool = False

    @property
    def left(self) -> int:
        """Answers still to come."""
        return self.total - self.done

    @property
    def unanswered(self) -> int:
        """Answers that did not come, or have not yet."""
        return self.errors + self.left

    @property
    def is_complete(self) -> bool:
        """Whether everything was asked: what is left is to judge it."""
        return bool(self.total) and not self.left

    @property
    def again(self) -> str:
        """What going on with the run asks once it has ended, in the words of its button."""
        return asking_words.again(self.errors, self.left)


@dataclass(frozen=True)
class ArmFigures:
    """One arm's answers in sums; `cost` is None where no price is known, `latency_ms` is the median."""

    arm: str
    answers: int = 0
    errors: int = 0
    cost: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class RunLine:
    """A run as lists show it; `main` is its first metric, None while there is none. `worse` are the tags that failed."""

    run: Run
    progress: Progress
    metrics: tuple[MetricLine, ...] = ()
    worse: tuple[SliceLine, ...] = ()

    @property
    def main(self) -> MetricLine | None:
        """The pass rate over all scorers."""
        return self.metrics[0] if self.metrics else None

    @property
    def judged(self) -> tuple[MetricLine, ...]:
        """The metrics that decide."""
        return tuple(line for line in self.metrics if line.metric.verdict != "reported")

    @property
    def state(self) -> str:
        """What it says, or where it is."""
        return shown_state(self.run, self.progress)


@dataclass(frozen=True)
class Trouble:
    """Why answers of a run did not come: the kind of error, at which provider, how many of them."""

    kind: str
    provider: str
    count: int


@dataclass(frozen=True)
class RunSheet:
    """Everything about a run but its cases. `judged` is the judges' part of the `totals`; `troubles` are why it ended in error,
    the most frequent first."""

    run: Run
    progress: Progress
    metrics: tuple[MetricLine, ...]
    arms: tuple[ArmFigures, ...]
    totals: Totals
    judged: Totals
    time_left: timedelta | None
    slice_lines: tuple[SliceLine, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    @property
    def is_unrendered(self) -> bool:
        """Whether the prompt could not be rendered for some case, which asking again does not change."""
        return any(one.kind == "template" for one in self.troubles)

    @property
    def waits_for(self) -> str:
        """What a run without any answer yet waits for, in a sentence; empty once there is one."""
        if not self.run.is_open or self.progress.done:
            return ""
        if self.progress.asking:
            asked = json.loads(self.run.candidate_settings)
            return f"A worker asks {asked['model']} at {asked['provider']}: the first answer has not come yet."
        if self.progress.is_busy:
            return "It waits in the queue: workers are at other runs."
        if timezone.now() - self.run.created_at < SOON:
            return "It waits for a worker to take it up."
        return "No worker has taken it up: is one running?"

    @property
    def cost(self) -> Decimal | None:
        """What it cost so far in US dollars."""
        return self.totals.cost

    @property
    def state(self) -> str:
        """What it says, or where it is."""
        return shown_state(self.run, self.progress)

    @property
    def sure(self) -> float:
        """How sure each bound of an interval is: 0.95 for one look at a risk of 0.05."""
        version = self.run.suite_version
        return 1 - level_per_look(float(json.loads(version.rules)["alpha"]), version.looks)

    @property
    def candidate(self) -> ArmFigures:
        """The candidate's answers so far."""
        return next((arm for arm in self.arms if arm.arm == Arm.CANDIDATE), ArmFigures(Arm.CANDIDATE))

    @property
    def baseline(self) -> ArmFigures | None:
        """The baseline's, where there are any."""
        return next((arm for arm in self.arms if arm.arm == Arm.BASELINE), None)

    @property
    def main(self) -> MetricLine | None:
        """The metric that decides."""
        return self.metrics[0] if self.metrics else None


@dataclass(frozen=True)
class Side:
    """One arm on one case: how many of the answers wanted are in, how many of them passed, and one of them in short."""

    wanted: int
    answers: int
    passed: int
    errors: int
    excerpt: str = ""

    @property
    def state(self) -> str:
        """`error`, `failed`, `pending` or `passed`: the worst there is."""
        if self.errors:
            return "error"
        if self.passed < self.answers:
            return "failed"
        return "passed" if self.answers >= self.wanted else "pending"


@dataclass(frozen=True)
class CaseRow:
    """A case in a run; `baseline` is None where nothing is compared."""

    case: Case
    candidate: Side
    baseline: Side | None

    @property
    def expected(self) -> JSON:
        """The answer expected; None for none."""
        return self.case.to_json().get("expected")

    @property
    def flip(self) -> str:
        """`better` or `worse` where the two versions differ on it; empty otherwise."""
        if self.baseline is None:
            return ""
        states = (self.baseline.state, self.candidate.state)
        return {("failed", "passed"): "better", ("passed", "failed"): "worse"}.get(states, "")


def state_of(run: Run) -> str:
    """The verdict of a run that has one, else its state; `reported` where it judges nothing."""
    return (run.verdict or "reported") if run.state == RunState.FINISHED else run.state


def shown_state(run: Run, progress: Progress) -> str:
    """The same as pages show it: `judging` once every answer is in and the verdict is not."""
    return "judging" if run.is_open and progress.is_complete else state_of(run)


def runs_of(workspace_id: int) -> QuerySet[Run]:
    """The workspace's runs with what showing them needs, newest first."""
    related = ("prompt", "candidate__prompt", "baseline__prompt", "suite_version__suite", "workspace", "purge")
    return Run.objects.in_workspace(workspace_id).dated().select_related(*related).order_by("-pk")


def run_list(workspace_id: int, *, prompt: str = "", suite: str = "", state: str = "", page: str | None) -> "Page[Run]":
    """One page of runs, newest first; `prompt` is part of a name, `state` a state or a verdict. Two queries."""
    rows = runs_of(workspace_id)
    rows = rows.filter(prompt__name__icontains=prompt) if prompt else rows
    rows = rows.filter(suite_version__suite__slug=suite) if suite else rows
    if state == "open":
        rows = rows.filter(finished_at=None)
    elif state in Verdict.values:
        rows = rows.filter(verdict=state)
    elif state:
        rows = rows.filter(state=state)
    return Paginator(rows, PAGE_SIZE).get_page(page)


def lines(runs: Sequence[Run]) -> tuple[RunLine, ...]:
    """The same runs as lines; three queries."""
    progress, metrics, worse = progress_of(runs), metrics_of(runs), worse_slices(runs)
    return tuple(
        RunLine(run, progress[run.pk], tuple(metrics.get(run.pk, ())), tuple(worse.get(run.pk, ()))) for run in runs
    )


def sheet(run: Run) -> RunSheet:
    """Everything about one run; four queries, up to six while it is open, five where it ended in error."""
    progress = progress_of([run])[run.pk]
    metrics = tuple(metrics_of([run]).get(run.pk, ()))
    judged = judged_totals(run)
    totals = totals_of(run) if run.is_open else Totals(run.cost, run.input_tokens, run.output_tokens)
    return RunSheet(
        run,
        progress,
        metrics,
        figures(run),
        totals,
        judged,
        time_left=_time_left(run, progress),
        slice_lines=slices_of(run),
        troubles=_troubles(run) if run.state == RunState.ERROR else (),
    )


def _troubles(run: Run) -> tuple[Trouble, ...]:
    rows = Result.objects.filter(run=run).exclude(error="").order_by().values_list("error", "provider_name")
    return tuple(Trouble(*row) for row in rows.annotate(count=Count("pk")).order_by("-count", "error"))


def progress_of(runs: Sequence[Run]) -> dict[int, Progress]:
    """How far each run is; one query."""
    found = dict.fromkeys((run.pk for run in runs), Progress())
    sums = RunChunk.objects.filter(run__in=[run.pk for run in runs]).values_list("run")
    asking = Count("pk", filter=Q(state=JobState.RUNNING))
    is_busy = Exists(RunChunk.objects.filter(state=JobState.RUNNING))
    for pk, *known in sums.annotate(
        Sum("done"), Sum("total"), Sum("errors"), asking=asking, is_busy=is_busy
    ).order_by():
        found[pk] = Progress(*known)
    return found


def figures(run: Run) -> tuple[ArmFigures, ...]:
    """The arms in sums, candidate first; one query, two while the run is not added up."""
    found = [] if run.is_open else [ArmFigures(*row) for row in _added_figures(run)]
    found = found or [ArmFigures(*row) for row in _counted_figures(run)]
    return tuple(sorted(found, key=lambda arm: list(Arm).index(Arm(arm.arm))))


def _added_figures(run: Run) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, [run.pk])
        return list(cursor.fetchall())


def _counted_figures(run: Run) -> QuerySet[Result, tuple[Any, ...]]:
    answered = Q(error="")
    return (
        Result.objects.filter(run=run)
        .order_by()
        .values_list("arm")
        .annotate(
            answers=Count("pk"),
            lost=Count("pk", filter=~answered),
            spent=Sum("cost"),
            read=Sum("input_tokens"),
            written=Sum("output_tokens"),
            middle=Median("latency_ms", filter=answered),
        )
    )


def rows_of(run: Run, cases: Sequence[Case]) -> tuple[CaseRow, ...]:
    """Counted cases as rows, with an answer of each arm in short: one that failed where there is one. One query."""
    results = Result.objects.filter(run=run, case__in=[case.pk for case in cases]).order_by("is_passed", "repeat")
    samples: dict[tuple[int, str], str] = {}
    for case_id, arm, output in results.values_list("case", "arm", excerpt()):
        samples.setdefault((case_id, arm), output)
    return tuple(
        CaseRow(
            case,
            _side(run, case, "new", samples.get((case.pk, Arm.CANDIDATE), "")),
            _side(run, case, "base", samples.get((case.pk, Arm.BASELINE), "")) if run.baseline_id else None,
        )
        for case in cases
    )


def results_of(run: Run, *, is_flipped: bool | None = None, status: str = "", tag: str = "") -> QuerySet[Result]:
    """The run's results, each answer one; `is_flipped` and `tag` pick by case, `status` (passed, failed, error) by answer."""
    rows = Result.objects.filter(run=run).select_related("case", "purge").prefetch_related("labels__member__user")
    if is_flipped is not None:
        of_flipped = Q(case__in=flipped_cases(run).values("pk"))
        rows = rows.filter(of_flipped if is_flipped else ~of_flipped)
    if tag:
        rows = rows.filter(case__tags__contains=[tag])
    kinds = {"": Q(), "passed": Q(is_passed=True), "failed": Q(is_passed=False, error=""), "error": ~Q(error="")}
    return rows.filter(kinds[status])


def _side(run: Run, case: Case, prefix: str, excerpt: str) -> Side:
    answers, passed, errors = (getattr(case, f"{prefix}_{name}") for name in ("answers", "passed", "errors"))
    return Side(run.repeats, answers, passed, errors, excerpt)


def _time_left(run: Run, progress: Progress) -> timedelta | None:
    """From the pace so far; None before the first answer and after the last."""
    if not run.is_open or run.started_at is None or not progress.done or not progress.left:
        return None
    return (timezone.now() - run.started_at) / progress.done * progress.left
