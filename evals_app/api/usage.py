"""`/usage`: what evaluation has used in a month, and what runs may spend that name no budget."""

from datetime import UTC, date, datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.budgets import set_default_budget
from evals_app.api import bodies
from evals_app.api.shapes import as_dollars
from evals_app.budget_queries import default_budget
from evals_app.budgets import Budget, parse_budget
from evals_app.usage_queries import UsageLine, month_usage
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.errors import invalid_field
from registry.core.permissions import Permission
from registry.core.times import read_month


class Usage(serializers.Serializer[Any]):
    """What one thing has used. `cost` is in US dollars, without `unpriced` answers, whose price is not known; null: none is."""

    name = serializers.CharField()
    runs = serializers.IntegerField()
    answers = serializers.IntegerField(help_text="Asked for and got.")
    errors = serializers.IntegerField()  # type: ignore[assignment]
    cached = serializers.IntegerField(help_text="Answers from the cache: they cost nothing.")
    unpriced = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.FloatField(allow_null=True)


class MonthOfUsage(serializers.Serializer[Any]):
    """A month by UTC, by when runs ended; runs that are under way are in none yet."""

    month = serializers.CharField()
    total = Usage()
    by_prompt = Usage(many=True)
    by_model = Usage(many=True, help_text="By provider and model, without what was asked of them as judges.")
    by_judge = Usage(many=True, help_text="Models asked to judge: `answers` are their replies.")
    runs_under_way = serializers.IntegerField()


class UsageView(RegistryView):
    """A month."""

    @extend_schema(
        parameters=[OpenApiParameter("month", str, description="As 2030-01; the present one if left out.")],
        responses=MonthOfUsage,
    )
    def get(self, request: Request) -> Response:
        """Cost and tokens of the workspace in a month, by prompt, by model and by judge."""
        self.allow(Permission.READ)
        usage = month_usage(self.actor.workspace_id, _month(self.text("month")))
        by_prompt: list[JSON] = [_show(line) for line in usage.by_prompt]
        by_model: list[JSON] = [_show(line) for line in usage.by_model]
        by_judge: list[JSON] = [_show(line) for line in usage.by_judge]
        return self.single(
            {
                "month": f"{usage.month:%Y-%m}",
                "total": _show(usage.total),
                "by_prompt": by_prompt,
                "by_model": by_model,
                "by_judge": by_judge,
                "runs_under_way": usage.under_way,
            }
        )


class DefaultBudgetAnswer(serializers.Serializer[Any]):
    """What runs that name no budget may spend; null: no limit."""

    cost = serializers.FloatField(allow_null=True, help_text="US dollars.")
    requests = serializers.IntegerField(allow_null=True)


class DefaultBudgetView(RegistryView):
    """The workspace's default budget."""

    @extend_schema(responses=DefaultBudgetAnswer)
    def get(self, request: Request) -> Response:
        """What runs that name no budget may spend."""
        self.allow(Permission.READ)
        return self.single(_show_budget(default_budget(self.actor.workspace_id)))

    @extend_schema(request=bodies.DefaultBudget, responses=DefaultBudgetAnswer)
    def put(self, request: Request) -> Response:
        """Set it for runs started from now on; those that are there keep theirs."""
        self.allow(Permission.ADMINISTER)
        budget = parse_budget(self.body(bodies.DefaultBudget)["budget"])
        return self.single(_show_budget(set_default_budget(self.actor, budget)))


def _show_budget(budget: Budget) -> dict[str, JSON]:
    return {"cost": as_dollars(budget.cost), "requests": budget.requests}


def _month(text: str) -> date:
    if not text:
        return datetime.now(UTC).date()
    month = read_month(text)
    if month is None:
        raise invalid_field("month", "format", "Name a month as 2030-01.")
    return month


def _show(line: UsageLine) -> dict[str, JSON]:
    return {
        "name": line.name,
        "runs": line.runs,
        "answers": line.answers,
        "errors": line.errors,
        "cached": line.cached,
        "unpriced": line.unpriced,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "cost": None if line.cost is None else float(line.cost),
    }
