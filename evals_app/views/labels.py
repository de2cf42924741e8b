"""Labels, from the page of a case of a run: one form an answer, which works without a script."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from evals_app.actions.labels import find_result, remove_label, set_label
from evals_app.actions.runs import find_run
from evals_app.views.runs import RefusedLabel, case_page
from registry.core.errors import Conflict, Invalid, NotFound
from registry.core.pages import page
from registry.core.web import PageRequest


@page("POST")
def run_label(request: PageRequest, pk: int, number: int) -> HttpResponse:
    """Say whether an answer passes, or take that back; then the case again."""
    run = find_run(request.workspace.pk, pk)
    text = request.POST.get("result", "")
    result = find_result(run, int(text) if text.isdecimal() and len(text) < 18 else 0)
    said, scorer, note = (request.POST.get(name, "").replace("\0", "") for name in ("label", "scorer", "note"))
    try:
        if said == "remove":
            remove_label(request.actor, result, scorer=scorer)
            messages.success(request, "Your label is taken back.")
        else:
            set_label(request.actor, result, label=said, scorer=scorer, note=note)
            messages.success(request, f"Labelled as {said}.")
    except (Invalid, Conflict, NotFound) as refused:
        detail = refused.errors[0].message if refused.errors else refused.detail
        return case_page(request, run, number, refused=RefusedLabel(result.pk, detail, scorer, note, refused.status))
    answer = redirect("run_case", request.workspace.slug, pk, number)
    query = request.GET.urlencode()
    return redirect(f"{answer.url}?{query}") if query else answer
