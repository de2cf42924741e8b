"""What evaluation has used in a month, and what a run may spend that names no budget."""

from datetime import UTC, date, datetime
from decimal import Decimal

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from evals_app.actions.budgets import set_default_budget
from evals_app.budget_queries import default_budget
from evals_app.budgets import MOST_DOLLARS, MOST_REQUESTS, Budget
from evals_app.tryout_queries import tried_in
from evals_app.usage_queries import month_usage, months_of
from registry.core.errors import NotFound
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, allows, require
from registry.core.times import read_month
from registry.core.web import PageRequest


class BudgetForm(PageForm):
    """The workspace's default budget."""

    budget_cost = forms.DecimalField(
        label="Dollars at most", required=False, min_value=Decimal("0.000001"), max_value=int(MOST_DOLLARS),
        help_text="A run stops before it would spend more. It starts only where the price of every model is known.",
    )  # fmt: skip
    budget_requests = forms.IntegerField(
        label="Requests at most", required=False, min_value=1, max_value=MOST_REQUESTS,
        help_text="Every try counts, and every question to a judge.",
    )  # fmt: skip

    def save(self, request: PageRequest) -> Budget:
        """Set it."""
        given = self.cleaned_data
        return set_default_budget(request.actor, Budget(given["budget_cost"], given["budget_requests"]))


@page()
def usage_page(request: PageRequest) -> HttpResponse:
    """Cost and tokens of the workspace by month, prompt and model."""
    require(request.actor, Permission.READ)
    budget = default_budget(request.workspace.pk)
    cost = None if budget.cost is None else f"{budget.cost.normalize():f}"
    return _usage(request, BudgetForm(initial={"budget_cost": cost, "budget_requests": budget.requests}))


@page("POST")
def usage_budget(request: PageRequest) -> HttpResponse:
    """Set the default budget of runs that name none."""
    require(request.actor, Permission.ADMINISTER)
    form = BudgetForm(request.POST)
    budget = attempt(form, lambda: form.save(request))
    if budget is None:
        return _usage(request, form)
    said = "Runs that name no budget are not limited." if budget.is_empty else "The default budget is set."
    messages.success(request, said)
    return redirect("usage", request.workspace.slug)


def month_of(text: str) -> date:
    """A month written as 2030-01, the present one for nothing; raises NotFound for anything else."""
    if not text:
        return datetime.now(UTC).date()
    month = read_month(text)
    if month is None:
        raise NotFound("usage.month", "Name a month as 2030-01.")
    return month


def _usage(request: PageRequest, form: BudgetForm) -> HttpResponse:
    month = month_of(request.GET.get("month", ""))
    context = {
        "months": months_of(request.workspace.pk),
        "usage": month_usage(request.workspace.pk, month),
        "tried": tried_in(request.workspace.pk, month),
        "budget": default_budget(request.workspace.pk),
        "form": form,
        "may_set_budget": allows(request.actor, Permission.ADMINISTER),
    }
    return render(request, "evals/usage.html", context, status=status_of(form))
