"""Runs: started by hand, cancelled, resumed, their errors asked again. What the engine does by itself is `engine`."""

from collections.abc import Mapping
from dataclasses import asdict

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from evals_app.budget_queries import UnpricedError
from evals_app.budgets import NO_BUDGET, Budget
from evals_app.engine.reopening import chunks_to_ask, drop_errors, has_purged, reopen
from evals_app.engine.starting import Wish, post_check, start
from evals_app.model_settings import SettingsError
from evals_app.models import Reason, Run, RunChunk, RunState, Suite
from evals_app.run_totals import totals_of
from evals_app.tallies import write_tallies
from evals_app.usage_queries import record_usage
from prompts_app.models import CheckState, PromptVersion
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Invalid, NotFound, invalid_field
from registry.core.models import JobState
from registry.core.permissions import Permission, require


@transaction.atomic
def start_run(
    actor: Actor,
    candidate: PromptVersion,
    suite: Suite,
    *,
    baseline: PromptVersion | None,
    config: Mapping[str, JSON] | None = None,
    again: bool = False,
    budget: Budget = NO_BUDGET,
) -> Run:
    """Replay a suite on a version, beside `baseline` where there is one; a run that answers the same is reused.

    One that ended in error or was cancelled with some of its answers goes on, with the budget that is named now or the
    workspace's default: it is no new chance.
    `config` goes over the candidate's own settings: such a run compares models and posts no check. `again` asks once
    more although the answer is fresh: pooled with what was asked before, as long as the suite has looks left. A
    run that is reused keeps the budget it has; one that names none gets the workspace's default. Raises Conflict
    `suite.empty` and `model.unavailable`, Invalid for a budget in money where a price is not known.
    """
    require(actor, Permission.RUN)
    wish = Wish(
        candidate, baseline, suite, Reason.BY_HAND,
        member_id=actor.member_id, by_name=actor.name, config=config, again=again, budget=budget,
    )  # fmt: skip
    try:
        started = start(wish)
    except SettingsError as error:
        raise Conflict("model.unavailable", f"No model can be asked: {error}.") from None
    except UnpricedError as error:
        raise unkept(error) from None
    if started.is_new:
        _record(actor, "run.started", started.run)
    elif started.goes_on:
        _record(actor, "run.resumed", started.run)
    return started.run


@transaction.atomic
def cancel_run(actor: Actor, run: Run) -> Run:
    """Stop asking; what was answered stays. The check, if one is posted, is an error: cancelled is not passed."""
    require(actor, Permission.RUN)
    run = _locked(run)
    if not run.is_open:
        raise Conflict("run.ended", f"This run is {run.state} already.", state=run.state)
    stop_run(run, by=actor.name)
    _record(actor, "run.cancelled", run)
    run.refresh_from_db()
    return run


def stop_run(run: Run, *, by: str) -> None:
    """End an open run, whose row is locked, where it is."""
    RunChunk.objects.filter(run=run, state__in=[JobState.QUEUED, JobState.RUNNING]).update(
        state=JobState.CANCELLED, lease_until=None
    )
    summary = f"cancelled by {by}"
    Run.objects.filter(pk=run.pk).update(
        state=RunState.CANCELLED, summary=summary, finished_at=Now(), **asdict(totals_of(run))
    )
    record_usage(run)
    write_tallies(run)
    post_check(run, CheckState.ERROR, summary)


@transaction.atomic
def retry_errors(actor: Actor, run: Run, *, budget: Budget = NO_BUDGET) -> Run:
    """Ask again where no answer came. That is no look: the same question, not a second chance.

    `budget` takes the place of the run's, which counts what was spent before too; left out, the run's own goes on.
    Raises Conflict while the run is open, when nothing failed, and once a later run asks the same; Invalid for a budget in
    money where a price is not known.
    """
    require(actor, Permission.RUN)
    run = _locked(run)
    if run.state not in {RunState.FINISHED, RunState.ERROR}:
        raise Conflict(
            "run.state", f"This run is {run.state}: only an ended one has errors to ask again.", state=run.state
        )
    _refuse_past(run)
    chunks = chunks_to_ask(run)
    if not chunks:
        raise Conflict("run.no_errors", "Every case was answered: there is nothing to ask again.")
    drop_errors(run, chunks)
    _reopen(run, chunks, budget)
    post_check(run, CheckState.PENDING, "asking again where no answer came")
    _record(actor, "run.retried", run)
    run.refresh_from_db()
    return run


@transaction.atomic
def resume_run(actor: Actor, run: Run, *, budget: Budget = NO_BUDGET) -> Run:
    """Go on with a cancelled run where it stopped: only what has no answer yet is asked. That is no look.

    `budget` takes the place of the run's, as in `retry_errors`. Raises Conflict unless the run was cancelled, and once a
    later run asks the same. One whose answers are all there is judged with the next sweep.
    """
    require(actor, Permission.RUN)
    run = _locked(run)
    if run.state != RunState.CANCELLED:
        raise Conflict("run.state", f"This run is {run.state}: only a cancelled one can be resumed.", state=run.state)
    _refuse_past(run)
    _reopen(run, list(RunChunk.objects.filter(run=run).exclude(done=F("total"))), budget)
    post_check(run, CheckState.PENDING, f"resumed by {actor.name}")
    _record(actor, "run.resumed", run)
    run.refresh_from_db()
    return run


def _refuse_past(run: Run) -> None:
    """What somebody asked anew is not the old run's to answer any more; what was purged nobody can ask again."""
    if has_purged(run):
        raise Conflict("run.purged", "Texts of this run were purged: start another one.")
    later = Run.objects.of_evidence(run.prompt_id, run.evidence_key).filter(pk__gt=run.pk)
    if run.evidence_key and later.exists():
        raise Conflict("run.superseded", "A later run asks the same question: look at that one.")


def _reopen(run: Run, chunks: list[RunChunk], budget: Budget) -> None:
    """`reopen`, with the run's own budget where none is named; as whoever named one that cannot be kept is told."""
    try:
        reopen(run, chunks, budget, is_default=budget.is_empty and run.is_default_budget)
    except UnpricedError as error:
        raise unkept(error) from None


def unkept(error: UnpricedError) -> Invalid:
    """A budget that cannot be kept, as whoever named it, or did not, is told."""
    return invalid_field("budget.cost", "price", str(error))


def find_run(workspace_id: int, pk: int) -> Run:
    """One run with what showing it needs; raises NotFound."""
    rows = (
        Run.objects.in_workspace(workspace_id)
        .dated()
        .select_related("prompt", "candidate__prompt", "baseline__prompt", "suite_version__suite", "workspace", "purge")
    )
    run = rows.filter(pk=pk).first()
    if run is None:
        raise NotFound("run.not_found", "This workspace has no such run.")
    return run


def _locked(run: Run) -> Run:
    rows = Run.objects.select_related("prompt", "candidate", "baseline", "suite_version__suite")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=run.pk)


def _record(actor: Actor, event: str, run: Run) -> None:
    suite = run.suite_version.suite
    detail: dict[str, JSON] = {
        "suite": suite.slug,
        "suite_version": run.suite_version.number,
        "version": run.candidate.number,
        "baseline": run.baseline.number if run.baseline else None,
        "posts_check": run.posts_check,
    }
    audit.record(
        actor,
        event,
        subject_type="run",
        subject_id=run.pk,
        subject_name=f"{suite.slug} on {run.prompt.name} v{run.candidate.number}",
        after=run.candidate.digest,
        detail=detail,
    )
