"""Budgets as rows: the workspace's default one, and whether a limit in money can be kept."""

import json
from collections.abc import Iterable

from evals_app.budgets import NO_BUDGET, Budget
from evals_app.costs import cost_of
from evals_app.judge_seats import seats_from_text
from evals_app.model_settings import ModelSettings
from evals_app.models import DefaultBudget, Provider, Run


class UnpricedError(Exception):
    """A budget in money cannot be kept, since nobody knows the price of `model`; the text says whose budget it is."""

    def __init__(self, model: str, *, is_default: bool) -> None:
        whose = "the workspace's default budget" if is_default else "a budget in money"
        done = (
            "name one in requests for this run, or change the default under Usage"
            if is_default
            else "limit the requests instead"
        )
        super().__init__(f"Nobody knows the price of {model}, so {whose} cannot be kept: {done}.")


def default_budget(workspace_id: int) -> Budget:
    """What runs that name no budget may spend; one query."""
    row = DefaultBudget.objects.filter(workspace_id=workspace_id).first()
    return Budget(row.cost, row.requests) if row else NO_BUDGET


def models_of(run: Run) -> list[ModelSettings]:
    """Everybody a run asks: its arms and its judges."""
    arms = [json.loads(text) for text in (run.candidate_settings, run.baseline_settings) if text]
    return [*map(ModelSettings.from_json, arms), *(seat.settings for seat in seats_from_text(run.judges).values())]


def require_prices(workspace_id: int, budget: Budget, asked: Iterable[ModelSettings], *, is_default: bool) -> None:
    """Raises UnpricedError for a limit in money that cannot be kept."""
    model = _unpriced_model(workspace_id, asked) if budget.cost is not None else ""
    if model:
        raise UnpricedError(model, is_default=is_default)


def _unpriced_model(workspace_id: int, asked: Iterable[ModelSettings]) -> str:
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
