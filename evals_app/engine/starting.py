"""Starting a run: one row with its chunks, unless the same question is being answered or was answered freshly."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from evals_app.budget_queries import default_budget, require_prices
from evals_app.budgets import NO_BUDGET, Budget
from evals_app.engine.plan import spans
from evals_app.engine.reopening import chunks_to_ask, drop_errors, has_purged, reopen
from evals_app.judge_queries import seats_of
from evals_app.judge_seats import Seat, seats_to_text
from evals_app.model_settings import ModelSettings, Offer, effective
from evals_app.models import Priority, Reason, Result, Run, RunChunk, RunState, Suite, SuiteVersion
from evals_app.queries import Attempts, attempts_at, evidence_lasts, newest_suite_version, offers, places_of
from evals_app.stats import may_post_check
from prompts_app.actions.checks import record_check
from prompts_app.gates import evidence_key
from prompts_app.models import CheckDefinition, CheckState, PromptVersion
from registry.core import jobs
from registry.core.canonical import JSON
from registry.core.errors import Conflict


@dataclass(frozen=True)
class Wish:
    """A run somebody or something wants. `config` makes it exploratory; `again` asks even where the answer is fresh."""

    candidate: PromptVersion
    baseline: PromptVersion | None
    suite: Suite
    reason: Reason
    member_id: int | None = None
    by_name: str = ""
    config: Mapping[str, JSON] | None = None
    again: bool = False
    budget: Budget = NO_BUDGET


@dataclass(frozen=True)
class Started:
    """The run that answers a wish; `is_new` is False where one was there already, `goes_on` says that it had ended without all
    of its answers, and goes on."""

    run: Run
    is_new: bool
    goes_on: bool = False


def start(wish: Wish) -> Started:
    """The run for a wish, new or reused; one that names no budget gets the workspace's default.

    A run that ended in error or was cancelled with some answers goes on instead of a new one: who saw them would else ask
    until better ones come.

    Raises Conflict without a suite version, SettingsError without a model to ask, UnpricedError for a budget in money
    where the price of a model, a judge's or that of a provider that stands in too, is not known.
    """
    version = newest_suite_version(wish.suite.pk)
    if version is None:
        raise Conflict("suite.empty", f"The suite {wish.suite.slug} has no saved version yet: save its cases first.")
    key = "" if wish.config is not None else evidence_key_of(wish)
    offered = offers(wish.suite.workspace_id)
    settings = _settings(wish, version, offered)
    judges = seats_of(version, offered)
    try:
        with transaction.atomic():
            attempts = _attempts(wish, key)
            reused = attempts.open or (None if wish.again else attempts.fresh)
            if reused is not None:
                return Started(reused, is_new=False)
            if attempts.broken and _goes_on(attempts.broken, settings, judges, wish.budget):
                return Started(attempts.broken, is_new=False, goes_on=True)
            return Started(_create(wish, version, key, settings, judges=judges, attempts=attempts), is_new=True)
    except IntegrityError:
        # Somebody else started the same run between our look and our insert.
        return Started(Run.objects.of_evidence(wish.candidate.prompt_id, key).open().get(), is_new=False)


def evidence_key_of(wish: Wish) -> str:
    """What the wished run would be evidence of."""
    definition = CheckDefinition.objects.get(workspace_id=wish.suite.workspace_id, name=wish.suite.check_name)
    return evidence_key(wish.candidate.digest, wish.baseline.digest if wish.baseline else None, definition.recipe)


def post_check(run: Run, state: CheckState, summary: str) -> None:
    """Post the check of a run that posts one."""
    if not run.posts_check:
        return
    record_check(
        run.prompt,
        digest=run.candidate.digest,
        name=run.suite_version.suite.check_name,
        baseline_digest=run.baseline.digest if run.baseline else None,
        evidence_key=run.evidence_key,
        state=state,
        run_id=run.pk,
        url=run.url,
        summary=summary,
    )


def priority_of(run: Run) -> Priority:
    """Whether a gate waits for it."""
    return Priority.GATE if run.posts_check else Priority.EXPLORATION


def _settings(wish: Wish, version: SuiteVersion, offered: list[Offer]) -> tuple[ModelSettings, ModelSettings | None]:
    """What each arm is asked with: its own config, over it what the suite pins, over the candidate's what the run pins."""
    pinned = json.loads(version.rules).get("config") or {}
    candidate = effective(wish.candidate.load().config, offered, pinned={**pinned, **(wish.config or {})})
    return candidate, effective(wish.baseline.load().config, offered, pinned=pinned) if wish.baseline else None


def _goes_on(
    broken: Run, settings: tuple[ModelSettings, ModelSettings | None], judges: Mapping[str, Seat], budget: Budget
) -> bool:
    """Queue a run that came to nothing again, if it has answers and the others would be asked as they were; raises UnpricedError."""
    rows = Run.objects.select_related("suite_version").select_for_update(of=("self",), no_key=True)
    run = rows.get(pk=broken.pk)
    candidate, baseline = settings
    asked = (_text(candidate), _text(baseline), seats_to_text(judges))
    if (run.candidate_settings, run.baseline_settings, run.judges) != asked or has_purged(run) or run.is_open:
        return False
    chunks = chunks_to_ask(run)
    is_complete = run.state == RunState.ERROR and not chunks
    if is_complete or not Result.objects.filter(run=run, error="").exists():
        return False
    drop_errors(run, chunks)
    reopen(run, chunks, budget, is_default=budget.is_empty)
    limits = ["budget_cost", "budget_requests", "is_default_budget"]
    broken.refresh_from_db(fields=["state", "verdict", "summary", "finished_at", *limits])
    post_check(broken, CheckState.PENDING, "going on with what was asked before")
    return True


def _text(settings: ModelSettings | None) -> str:
    return json.dumps(settings.to_json()) if settings else ""


def _attempts(wish: Wish, key: str) -> Attempts:
    if not key:
        return Attempts(None, (), 0)
    lasts = evidence_lasts(places_of(wish.candidate.prompt))
    return attempts_at(wish.candidate.prompt_id, key, lasts=lasts)


def _budget(wish: Wish, asked: Iterable[ModelSettings]) -> Budget:
    """What the run may spend: what the wish says, else the workspace's default; raises UnpricedError."""
    is_default = wish.budget.is_empty
    budget = default_budget(wish.suite.workspace_id) if is_default else wish.budget
    require_prices(wish.suite.workspace_id, budget, asked, is_default=is_default)
    return budget


def _create(
    wish: Wish,
    version: SuiteVersion,
    key: str,
    settings: tuple[ModelSettings, ModelSettings | None],
    *,
    judges: Mapping[str, Seat],
    attempts: Attempts,
) -> Run:
    candidate, baseline = settings
    budget = _budget(wish, [*filter(None, settings), *(seat.settings for seat in judges.values())])
    look = len(attempts.pooled) + 1
    run = Run.objects.create(
        workspace_id=wish.suite.workspace_id,
        prompt=wish.candidate.prompt,
        candidate=wish.candidate,
        baseline=wish.baseline,
        suite_version=version,
        evidence_key=key,
        posts_check=bool(key) and version.posts_checks and may_post_check(len(attempts.pooled), version.looks),
        reason=wish.reason,
        started_by_id=wish.member_id,
        started_by_name=wish.by_name,
        candidate_settings=_text(candidate),
        baseline_settings=_text(baseline),
        judges=seats_to_text(judges),
        budget_cost=budget.cost,
        budget_requests=budget.requests,
        is_default_budget=wish.budget.is_empty and not budget.is_empty,
        first_repeat=attempts.next_repeat,
        repeats=version.repeats,
        look=look,
    )
    run.refresh_from_db(fields=["budget_cost", "created_at"])  # the others are as they were given
    post_check(run, CheckState.PENDING, "queued")
    calls = len(run.arms) * run.repeats
    chunks = RunChunk.objects.bulk_create(
        RunChunk(
            run=run,
            workspace_id=run.workspace_id,
            priority=priority_of(run),
            first_position=span.first,
            last_position=span.last,
            total=span.size * calls,
        )
        for span in spans(version.case_count, calls_per_case=calls)
    )
    jobs.hint_all_after_commit(chunks)
    return run
