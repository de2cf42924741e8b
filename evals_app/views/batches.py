"""Comparisons of models: which there were, and one with its columns side by side."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from evals_app.actions.batches import cancel_batch, find_batch
from evals_app.batch_queries import batch_list, batch_sheet
from registry.core.errors import Conflict
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest


@page()
def batches_page(request: PageRequest) -> HttpResponse:
    """The comparisons of models of the workspace."""
    require(request.actor, Permission.READ)
    context = {
        "page": batch_list(request.workspace.pk, page=request.GET.get("page")),
        "may_run": allows(request.actor, Permission.RUN),
    }
    return render(request, "evals/batches.html", context)


@page()
def batch_page(request: PageRequest, pk: int) -> HttpResponse:
    """One version over several models, column by column."""
    require(request.actor, Permission.READ)
    return render(request, "evals/batch.html", _context(request, pk))


@page()
def batch_progress(request: PageRequest, pk: int) -> HttpResponse:
    """The part of a batch's page that moves while its runs work; asks for itself again until they have ended."""
    require(request.actor, Permission.READ)
    if not request.htmx:
        return redirect("batch", request.workspace.slug, pk)
    return render(request, "evals/batch.html#live", _context(request, pk))


@page("POST")
def batch_cancel(request: PageRequest, pk: int) -> HttpResponse:
    """Stop every run of a batch that is still open."""
    require(request.actor, Permission.RUN)
    try:
        cancel_batch(request.actor, find_batch(request.workspace.pk, pk))
    except Conflict as refused:
        messages.warning(request, refused.detail)
    else:
        messages.success(request, "Cancelled. What was answered stays.")
    return redirect("batch", request.workspace.slug, pk)


def _context(request: PageRequest, pk: int) -> dict[str, object]:
    batch = find_batch(request.workspace.pk, pk)
    return {"batch": batch, "sheet": batch_sheet(batch), "may_run": allows(request.actor, Permission.RUN)}
