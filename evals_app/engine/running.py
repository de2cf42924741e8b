"""Runs from the first chunk to the verdict: what tasks call."""

from dataclasses import asdict

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from evals_app.engine import chunks
from evals_app.engine.judging import Judgement, forget, judge_run
from evals_app.engine.starting import post_check
from evals_app.models import Run, RunChunk, RunMetric, RunSlice, RunState
from evals_app.models.run import OPEN_STATES
from evals_app.run_totals import totals_of
from evals_app.tallies import add_up, not_added_up
from evals_app.usage_queries import record_usage
from prompts_app.models import CheckState
from registry.core import outbox
from registry.core.models import JobState

OPEN_CHUNKS = (JobState.QUEUED, JobState.RUNNING)

log = structlog.get_logger(__name__)


def run_chunk(pk: int) -> None:
    """Work through the chunks that come first; end their runs, and that of the chunk hinted at, if it was the last one."""
    hinted = RunChunk.objects.filter(pk=pk).values_list("run_id", flat=True)
    for run_id in sorted({*chunks.work(), *hinted}):
        if settle(run_id):
            add_up(run_id)
    forget()


def settle_lost_runs() -> int:
    """End runs of which every chunk has ended, but whose worker died before it could say so; how many ended.

    Runs that ended and were not added up are, a few at a time.
    """
    unfinished = RunChunk.objects.filter(run=OuterRef("pk"), state__in=OPEN_CHUNKS)
    lost = Run.objects.open().filter(~Exists(unfinished)).values_list("pk", flat=True)
    ended = sum(settle(pk) for pk in list(lost))
    for pk in not_added_up():
        add_up(pk)
    return ended


@transaction.atomic
def settle(run_id: int) -> bool:
    """Judge a run whose chunks have all ended, and post its check; False while some have not, or it has ended before."""
    rows = Run.objects.select_related("prompt", "candidate", "baseline", "suite_version__suite")
    run = rows.select_for_update(of=("self",), no_key=True).filter(pk=run_id, state__in=OPEN_STATES).first()
    if run is None or run.chunks.filter(state__in=OPEN_CHUNKS).exists():
        return False
    judgement = _judged(run)
    run.metrics.all().delete()
    RunMetric.objects.bulk_create(judgement.rows(run))
    run.slices.all().delete()
    RunSlice.objects.bulk_create(judgement.slice_rows(run))
    is_error = judgement.verdict == "error"
    Run.objects.filter(pk=run.pk).update(
        state=RunState.ERROR if is_error else RunState.FINISHED,
        verdict="" if is_error else judgement.verdict,
        summary=judgement.summary,
        finished_at=Now(),
        **asdict(totals_of(run)),
    )
    record_usage(run)
    if judgement.verdict:
        post_check(run, CheckState(judgement.verdict), judgement.summary)
    outbox.send(run.workspace_id, "run.finished", {"run_id": run.pk})
    return True


def _judged(run: Run) -> Judgement:
    """The verdict; a bug in judging is an error of the run rather than a run without an end."""
    try:
        with transaction.atomic():
            return judge_run(run)
    except Exception:
        log.exception("run.not_judged", run=run.pk)
        return Judgement("error", "the results could not be judged: the server's log has the reason")
