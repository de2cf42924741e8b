"""A case of a run, put into one's draft of any suite: as it is, or with an answer as what is expected."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from evals_app.actions.runs import find_run
from evals_app.actions.suite_drafts import add_to_suite
from evals_app.actions.suites import find_suite
from evals_app.draft_queries import place_of
from evals_app.models import Case, Result, Run, Suite
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Invalid, NotFound, RegistryError
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

MOST_ANSWERS = 40


@page("GET", "HEAD", "POST")
def run_case_add(request: PageRequest, pk: int, number: int) -> HttpResponse:
    """Which suite, and what is expected there; then the row in one's draft."""
    require(request.actor, Permission.WRITE)
    run = find_run(request.workspace.pk, pk)
    case = Case.objects.filter(suite_version=run.suite_version_id, position=number - 1).first()
    if case is None:
        raise NotFound("case.not_found", "This run has no case with that number.")
    if request.method != "POST":
        return _asked(request, run, case, number)
    try:
        suite = find_suite(request.workspace.pk, request.POST.get("suite", "").replace("\0", ""))
        made = add_to_suite(request.actor, suite, _case(request, run, case))
    except (Invalid, Conflict, NotFound) as refused:
        return _asked(request, run, case, number, refused)
    messages.success(request, f"The case is in your draft of {suite.title}. Save it to make the version.")
    address = reverse("suite_edit", args=[request.workspace.slug, suite.slug])
    return redirect(f"{address}?page={place_of(made.draft, made.row)}#row-{made.row}")


def _case(request: PageRequest, run: Run, case: Case) -> dict[str, JSON]:
    """The case without what belongs to its own suite; its scorers only where they are asked for."""
    given = case.to_json()
    kept: dict[str, JSON] = {
        name: given[name] for name in ("key", "variables", "messages", "expected", "tags", "cluster") if name in given
    }
    kept |= {"scorers": given["scorers"]} if "scorers" in given and "scorers" in request.POST else {}
    if chosen := request.POST.get("expected", ""):
        answer = _answers(run, case).filter(pk=int(chosen) if chosen.isdecimal() and len(chosen) < 18 else 0).first()
        if answer is None:
            raise NotFound("result.not_found", "This case has no such answer.")
        kept["expected"] = answer.output
    return kept


def _asked(
    request: PageRequest, run: Run, case: Case, number: int, refused: RegistryError | None = None
) -> HttpResponse:
    context = {
        "run": run,
        "case": case,
        "content": case.to_json(),
        "number": number,
        "suites": Suite.objects.in_workspace(request.workspace.pk),
        "answers": _answers(run, case)[:MOST_ANSWERS],
        "refused": refused,
    }
    return render(request, "evals/add_to_suite.html", context, status=refused.status if refused else 200)


def _answers(run: Run, case: Case) -> QuerySet[Result]:
    return Result.objects.filter(run=run, case=case, error="").order_by("-arm", "repeat")
