"""Runs from the first chunk to the verdict: what tasks call."""

from contextlib import closing
from dataclasses import asdict
from itertools import chain

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
    """Work through the chunks that come first; end each run with its last one, and that of the chunk hinted at."""
    hinted = RunChunk.objects.filter(pk=pk).values_list("run_id", flat=True)
    with closing(chunks.work()) as ended:
        for run_id in chain(ended, hinted):
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


def settle(run_id: int) -> bool:
    """Judge a run whose chunks have all ended, and post its check; False while some have not, or it has ended before."""
    return not _is_going_on(run_id) and _end(run_id)


def _is_going_on(run_id: int) -> bool:
    return RunChunk.objects.filter(run=run_id, state__in=OPEN_CHUNKS).exists()


@transaction.atomic
def _end(run_id: int) -> bool:
    rows = Run.objects.select_related("prompt", "candidate", "baseline", "suite_version__suite")
    run = rows.select_for_update(of=("self",), no_key=True).filter(pk=run_id, state__in=OPEN_STATES).first()
    if run is None or _is_going_on(run_id):  # looked at again under the lock: it may have been reopened
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
