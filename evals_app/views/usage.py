"""What evaluation has used in a month."""

from datetime import UTC, date, datetime

from django.http import HttpResponse
from django.shortcuts import render

from evals_app.usage_queries import month_usage, months_of
from registry.core.errors import NotFound
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest


@page()
def usage_page(request: PageRequest) -> HttpResponse:
    """Cost and tokens of the workspace by month, prompt and model."""
    require(request.actor, Permission.READ)
    context = {
        "months": months_of(request.workspace.pk),
        "usage": month_usage(request.workspace.pk, month_of(request.GET.get("month", ""))),
    }
    return render(request, "evals/usage.html", context)


def month_of(text: str) -> date:
    """A month written as 2030-01, the present one for nothing; raises NotFound for anything else."""
    if not text:
        return datetime.now(UTC).date()
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise NotFound("usage.month", "Name a month as 2030-01.") from None
