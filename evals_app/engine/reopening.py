"""Going on with a run that ended without all of its answers: by hand, or because the same is asked once more."""

from collections.abc import Sequence

from django.db.models import Exists, F, OuterRef

from evals_app.budget_queries import default_budget, models_of, require_prices
from evals_app.budgets import Budget
from evals_app.models import JudgeReply, Result, Run, RunChunk, RunState
from registry.core import jobs
from registry.core.models import JobState


def has_purged(run: Run) -> bool:
    """Whether texts of it, or of what it asks, were purged: nobody can ask those again."""
    return run.purge_id is not None or run.suite_version.cases.exclude(purge=None).exists()


def chunks_to_ask(run: Run) -> list[RunChunk]:
    """The chunks in which an answer is missing or is an error."""
    return list(RunChunk.objects.filter(run=run).exclude(done=F("total"), errors=0))


def drop_errors(run: Run, chunks: Sequence[RunChunk]) -> None:
    """Forget the answers of an ended run that are errors, and what judges said beside them, so that they are asked again."""
    failed = Result.objects.filter(run=run).exclude(error="")
    same = {name: OuterRef(name) for name in ("run", "case", "arm", "repeat")}
    JudgeReply.objects.filter(Exists(failed.filter(**same)), run=run).delete()
    failed.delete()
    for chunk in chunks:
        chunk.done, chunk.errors = chunk.done - chunk.errors, 0


def reopen(run: Run, chunks: Sequence[RunChunk], budget: Budget, *, is_default: bool) -> None:
    """Queue an ended run again, with these chunks of it and, where one is named, another budget; `is_default`: with what the
    workspace's default is now. Raises UnpricedError for one that cannot be kept."""
    limit = default_budget(run.workspace_id) if is_default else budget
    require_prices(run.workspace_id, limit, models_of(run), is_default=is_default)
    for chunk in chunks:
        chunk.state, chunk.attempt, chunk.owner, chunk.error = JobState.QUEUED, 0, "", ""
        chunk.save()
    run.metrics.all().delete()
    named = {"budget_cost": limit.cost, "budget_requests": limit.requests, "is_default_budget": is_default}
    limits = {} if limit.is_empty and not is_default else named
    Run.objects.filter(pk=run.pk).update(state=RunState.QUEUED, verdict="", summary="", finished_at=None, **limits)
    jobs.hint_all_after_commit(chunks)
