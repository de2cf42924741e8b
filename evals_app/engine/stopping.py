"""A run ended before its last answer, by nobody's hand: its budget does not reach."""

from dataclasses import asdict

from django.db import transaction
from django.db.models.functions import Now

from evals_app.engine.starting import post_check
from evals_app.models import Run, RunChunk, RunState
from evals_app.models.run import OPEN_STATES
from evals_app.run_totals import totals_of
from evals_app.tallies import write_tallies
from evals_app.usage_queries import record_usage
from prompts_app.models import CheckState
from registry.core import outbox
from registry.core.models import JobState


@transaction.atomic
def stop(run_id: int, reason: str) -> bool:
    """End a run in error; what was answered stays, and what is missing can be asked for later. False if it had ended."""
    rows = Run.objects.select_related("prompt", "candidate", "baseline", "suite_version__suite", "workspace")
    run = rows.select_for_update(of=("self",), no_key=True).filter(pk=run_id, state__in=OPEN_STATES).first()
    if run is None:
        return False
    RunChunk.objects.filter(run=run, state__in=[JobState.QUEUED, JobState.RUNNING]).update(
        state=JobState.CANCELLED, lease_until=None
    )
    Run.objects.filter(pk=run.pk).update(
        state=RunState.ERROR, verdict="", summary=reason, finished_at=Now(), **asdict(totals_of(run))
    )
    record_usage(run)
    write_tallies(run)
    post_check(run, CheckState.ERROR, reason)
    outbox.send(run.workspace_id, "run.finished", {"run_id": run.pk})
    return True
