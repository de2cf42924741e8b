"""Budgets as rows: the workspace's default one, and whether a limit in money can be kept."""

import json
from collections.abc import Iterable

from evals_app.budgets import NO_BUDGET, Budget
from evals_app.costs import cost_of
from evals_app.judge_seats import seats_from_text
from evals_app.model_settings import ModelSettings
from evals_app.models import DefaultBudget, Provider, Run


def default_budget(workspace_id: int) -> Budget:
    """What runs that name no budget may spend; one query."""
    row = DefaultBudget.objects.filter(workspace_id=workspace_id).first()
    return Budget(row.cost, row.requests) if row else NO_BUDGET


def models_of(run: Run) -> list[ModelSettings]:
    """Everybody a run asks: its arms and its judges."""
    arms = [json.loads(text) for text in (run.candidate_settings, run.baseline_settings) if text]
    return [*map(ModelSettings.from_json, arms), *(seat.settings for seat in seats_from_text(run.judges).values())]


def unpriced_model(workspace_id: int, asked: Iterable[ModelSettings]) -> str:
    """The first model of these, or of a provider that stands in, whose price nobody knows; empty for none. One query."""
    wanted = list(asked)
    names = {settings.provider for settings in wanted}
    rows = Provider.objects.in_workspace(workspace_id).filter(name__in=names).select_related("fallback")
    providers = {row.name: row for row in rows}
    for settings in wanted:
        first = providers.get(settings.provider)
        for provider in filter(None, (first, first.fallback if first else None)):
            model = settings.model if settings.model in provider.model_names else provider.default_model
            if cost_of(base_url=provider.base_url, model=model, input_tokens=1, output_tokens=1) is None:
                return model
    return ""
