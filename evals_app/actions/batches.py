"""Batches: one version asked the same suite of several models, started and stopped in one action."""

import json
from collections.abc import Sequence

from django.db import transaction

from evals_app.actions.runs import stop_run, unkept
from evals_app.batch_configs import Config
from evals_app.budget_queries import UnpricedError
from evals_app.budgets import NO_BUDGET, Budget
from evals_app.engine.starting import Wish, start
from evals_app.model_settings import SettingsError
from evals_app.models import Reason, Run, RunBatch, Suite
from evals_app.queries import newest_suite_version
from prompts_app.models import PromptVersion
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, FieldError, NotFound
from registry.core.fields import refuse_mistakes
from registry.core.permissions import Permission, require


@transaction.atomic
def start_batch(
    actor: Actor, version: PromptVersion, suite: Suite, *, configs: Sequence[Config], budget: Budget = NO_BUDGET
) -> RunBatch:
    """Ask one version the suite's cases with each of these settings: a run each, which posts no check.

    `configs` are as `parse_configs` gives them; `budget` holds for each run. Raises Conflict `suite.empty`, Invalid for
    models that cannot be asked, for two columns that ask the same, and for a budget in money where a price is not known.
    """
    require(actor, Permission.RUN)
    newest = newest_suite_version(suite.pk)
    if newest is None:
        raise Conflict("suite.empty", f"The suite {suite.slug} has no saved version yet: save its cases first.")
    batch = RunBatch.objects.create(
        workspace_id=actor.workspace_id,
        prompt=version.prompt,
        version=version,
        suite_version=newest,
        started_by_id=actor.member_id,
        started_by_name=actor.name,
    )
    runs = _start_runs(actor, batch, suite, configs, budget)
    asked: list[JSON] = [json.loads(run.candidate_settings) for run in runs]
    _record(actor, "batch.started", batch, runs, settings=asked)
    return batch


@transaction.atomic
def cancel_batch(actor: Actor, batch: RunBatch) -> RunBatch:
    """Stop every run of the batch that is still open; what was answered stays. Raises Conflict where none is."""
    require(actor, Permission.RUN)
    rows = Run.objects.select_related("prompt", "candidate", "baseline", "suite_version__suite")
    runs = list(rows.filter(batch=batch).open().select_for_update(of=("self",), no_key=True).order_by("pk"))
    if not runs:
        raise Conflict("batch.ended", "Every run of this comparison has ended already.")
    for run in runs:
        stop_run(run, by=actor.name)
    _record(actor, "batch.cancelled", batch, runs)
    return batch


def find_batch(workspace_id: int, pk: int) -> RunBatch:
    """One batch with what showing it needs; raises NotFound."""
    related = ("workspace", "prompt", "version__prompt", "suite_version__suite")
    batch = RunBatch.objects.filter(workspace_id=workspace_id, pk=pk).select_related(*related).first()
    if batch is None:
        raise NotFound("batch.not_found", "This workspace has no such comparison of models.")
    return batch


def _start_runs(actor: Actor, batch: RunBatch, suite: Suite, configs: Sequence[Config], budget: Budget) -> list[Run]:
    """A run for each column; every mistake is named before anything is undone."""
    runs: list[Run] = []
    errors: list[FieldError] = []
    columns: dict[str, int] = {}
    for place, config in enumerate(configs):
        wish = Wish(
            batch.version, None, suite, Reason.BY_HAND,
            member_id=actor.member_id, by_name=actor.name, config=config, budget=budget,
        )  # fmt: skip
        try:
            run = start(wish).run
        except SettingsError as error:
            errors.append(FieldError(f"configs[{place}]", "model.unavailable", f"No model can be asked: {error}."))
            continue
        except UnpricedError as error:
            raise unkept(error) from None
        same = columns.setdefault(run.candidate_settings, place)
        if same != place:
            message = f"asks the same model in the same way as column {same + 1}."
            errors.append(FieldError(f"configs[{place}]", "repeated", message))
        run.batch, run.batch_position = batch, place
        run.save(update_fields=["batch", "batch_position"])
        runs.append(run)
    refuse_mistakes("batch.invalid", "These models cannot be compared.", errors)
    return runs


def _record(actor: Actor, event: str, batch: RunBatch, runs: Sequence[Run], **more: JSON) -> None:
    suite = batch.suite_version.suite
    detail: dict[str, JSON] = {
        "suite": suite.slug,
        "suite_version": batch.suite_version.number,
        "version": batch.version.number,
        "runs": [run.pk for run in runs],
        **more,
    }
    audit.record(
        actor,
        event,
        subject_type="run_batch",
        subject_id=batch.pk,
        subject_name=f"{suite.slug} on {batch.prompt.name} v{batch.version.number}",
        after=batch.version.digest,
        detail=detail,
    )
