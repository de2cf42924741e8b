"""Runs: which there were, one while it works and when it has ended, one of its cases."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from evals_app.actions.runs import cancel_run, find_run, resume_run, retry_errors
from evals_app.budgets import Budget, parse_budget
from evals_app.case_counts import PICKS, Pick
from evals_app.case_grid import case_grid
from evals_app.case_queries import case_sheet
from evals_app.exchange_queries import exchange_of
from evals_app.figure_queries import run_figures as read_figures
from evals_app.judge_reports import run_seats, run_warnings
from evals_app.models import Run, Suite
from evals_app.run_queries import lines, run_list, sheet
from evals_app.tag_queries import PER_PAGE, tag_report
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Invalid, RegistryError, invalid_field
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest


@dataclass(frozen=True)
class RefusedLabel:
    """A label that was not set: of which answer, why, and what was chosen and typed."""

    result: int
    detail: str
    scorer: str
    note: str
    status: int


@dataclass(frozen=True)
class RefusedPurge:
    """A purge that was refused: why, and the reason that was typed."""

    detail: str
    reason: str
    status: int


STATES = [
    ("", "Every state"),
    ("open", "Under way"),
    ("passed", "Passed"),
    ("failed", "Failed"),
    ("inconclusive", "Inconclusive"),
    ("error", "Error"),
    ("cancelled", "Cancelled"),
]
LONGEST_TEXT = 200
RIGHTS = {"may_run": Permission.RUN, "may_administer": Permission.ADMINISTER}
PICK_LABELS = [
    ("", "All", "all"),
    ("flipped", "Flipped", "flipped"),
    ("failed", "Failed", "failed"),
    ("error", "Errors", "error"),
    ("critical", "Critical", "critical"),
]


@page()
def runs_page(request: PageRequest) -> HttpResponse:
    """Runs by state, prompt and suite."""
    require(request.actor, Permission.READ)
    chosen = {name: request.GET.get(name, "") for name in ("prompt", "suite", "state")}
    found = run_list(request.workspace.pk, **chosen, page=request.GET.get("page"))
    context = {
        "chosen": chosen,
        "page": found,
        "lines": lines(list(found.object_list)),
        "states": STATES,
        "suites": Suite.objects.in_workspace(request.workspace.pk),
        "may_run": allows(request.actor, Permission.RUN),
    }
    return render(request, "evals/runs.html", context)


@page()
def run_page(request: PageRequest, pk: int) -> HttpResponse:
    """One run: how far it is, what it says, and its cases."""
    require(request.actor, Permission.READ)
    return _run_page(request, find_run(request.workspace.pk, pk))


@page()
def run_events(request: PageRequest, pk: int) -> HttpResponse:
    """How a run stands, as a server-sent event; `run_streams` asks again whenever it has moved, and goes on with the stream.

    An event without a name is the part of the page that moves; `moved` says that answers came, `ended` that no more will.
    """
    require(request.actor, Permission.READ)
    run = find_run(request.workspace.pk, pk)
    context = {"run": run, "sheet": sheet(run), **_rights(request)}
    drawn = render(request, "evals/run.html#live", context).content.decode()
    lines = "".join(f"data: {line}\n" for line in drawn.splitlines())
    word = "moved" if run.is_open else "ended"
    return HttpResponse(f"retry: 2000\n{lines}\nevent: {word}\ndata:\n\n", content_type="text/event-stream")


@page()
def run_results(request: PageRequest, pk: int) -> HttpResponse:
    """The cases of a run, as its page shows them; the browser's address follows what is picked."""
    require(request.actor, Permission.READ)
    if not request.htmx:
        return redirect("run", request.workspace.slug, pk)
    run = find_run(request.workspace.pk, pk)
    answer = render(request, "evals/run.html#results", {"run": run, **_cases(request, run)})
    if request.headers.get("HX-Source") != "section#results":
        query = urlencode({name: value for name, value in request.GET.items() if value})
        answer["HX-Push-Url"] = f"{reverse('run', args=[request.workspace.slug, pk])}{'?' if query else ''}{query}"
    return answer


@page()
def run_figures(request: PageRequest, pk: int) -> HttpResponse:
    """Which way the cases went, each score, latency and cost: drawn and in numbers; the same as a part of the run's page."""
    require(request.actor, Permission.READ)
    run = find_run(request.workspace.pk, pk)
    names = {"new_name": f"v{run.candidate.number}", "old_name": f"v{run.baseline.number}" if run.baseline else ""}
    part = "#figures_part" if request.htmx else ""
    return render(request, f"evals/run_figures.html{part}", {"run": run, "figures": read_figures(run), **names})


@page()
def run_answer(request: PageRequest, pk: int, number: int, result: int) -> HttpResponse:
    """One answer to a case in full, with the request that it answers."""
    require(request.actor, Permission.READ)
    run = find_run(request.workspace.pk, pk)
    exchange = exchange_of(run, number, result)
    repeat = exchange.result.repeat - run.first_repeat + 1
    context = {"run": run, "number": number, "exchange": exchange, "repeat": repeat}
    return render(request, "evals/run_answer.html", context)


@page()
def run_case(request: PageRequest, pk: int, number: int) -> HttpResponse:
    """One case: both versions' answers side by side, and what the scorers said."""
    require(request.actor, Permission.READ)
    return case_page(request, find_run(request.workspace.pk, pk), number)


@page()
def run_tags(request: PageRequest, pk: int) -> HttpResponse:
    """Pass rates by tag, the greatest loss first."""
    require(request.actor, Permission.READ)
    run = find_run(request.workspace.pk, pk)
    count = tag_report(run, limit=1).count
    found = Paginator(range(count), PER_PAGE).get_page(request.GET.get("page"))
    report = tag_report(run, limit=PER_PAGE, offset=max(0, found.start_index() - 1))
    return render(request, "evals/run_tags.html", {"run": run, "report": report, "page": found})


@page("POST")
def run_cancel(request: PageRequest, pk: int) -> HttpResponse:
    """Stop asking."""
    run = find_run(request.workspace.pk, pk)
    try:
        cancel_run(request.actor, run)
    except Conflict as refused:
        return _run_page(request, find_run(request.workspace.pk, pk), refused)
    messages.success(request, "The run is cancelled. What was answered stays, and it can be resumed.")
    return redirect("run", request.workspace.slug, pk)


@page("POST")
def run_resume(request: PageRequest, pk: int) -> HttpResponse:
    """Go on with a cancelled run."""
    run = find_run(request.workspace.pk, pk)
    try:
        resume_run(request.actor, run, budget=_budget(request))
    except (Conflict, Invalid) as refused:
        return _run_page(request, find_run(request.workspace.pk, pk), refused)
    messages.success(request, "The run goes on where it stopped.")
    return redirect("run", request.workspace.slug, pk)


@page("POST")
def run_retry(request: PageRequest, pk: int) -> HttpResponse:
    """Ask again where no answer came."""
    run = find_run(request.workspace.pk, pk)
    try:
        retry_errors(request.actor, run, budget=_budget(request))
    except (Conflict, Invalid) as refused:
        return _run_page(request, find_run(request.workspace.pk, pk), refused)
    messages.success(request, "Asking again where no answer came.")
    return redirect("run", request.workspace.slug, pk)


def _run_page(request: PageRequest, run: Run, refused: RegistryError | None = None) -> HttpResponse:
    about = {"run": run, "sheet": sheet(run), "refused": refused, "report": tag_report(run)}
    about |= {"judges": run_seats(run), "warnings": run_warnings(run)}
    context = {**about, **_rights(request), **_cases(request, run)}
    return render(request, "evals/run.html", context, status=refused.status if refused else 200)


def case_page(
    request: PageRequest,
    run: Run,
    number: int,
    *,
    refused: RefusedLabel | None = None,
    refused_purge: RefusedPurge | None = None,
) -> HttpResponse:
    """The page of one case of a run, with a label that was refused beside its answer, or a purge."""
    pick = _pick(request)
    context = {
        "run": run,
        "number": number,
        "pick": pick,
        "case": case_sheet(run, number, pick, reader=request.actor.member_id),
        "refused": refused,
        "refused_purge": refused_purge,
        "may_label": allows(request.actor, Permission.WRITE),
        "may_purge": allows(request.actor, Permission.ADMINISTER),
    }
    refusal = refused or refused_purge
    return render(request, "evals/run_case.html", context, status=refusal.status if refusal else 200)


def _cases(request: PageRequest, run: Run) -> dict[str, object]:
    is_opened = not any(name in request.GET for name in ("status", "tag", "text"))
    grid = case_grid(run, _pick(request), page=request.GET.get("page"), is_opened=is_opened)
    labels = [(value, label, grid.counts[count]) for value, label, count in PICK_LABELS]
    return {"pick": grid.pick, "grid": grid, "pick_labels": labels}


def _pick(request: PageRequest) -> Pick:
    status, tag, text = (request.GET.get(name, "") for name in ("status", "tag", "text"))
    return Pick(status if status in PICKS else "", tag, text.strip()[:LONGEST_TEXT])


def _budget(request: PageRequest) -> Budget:
    """What is typed beside the button, empty for what the run has; raises Invalid."""
    given: dict[str, JSON] = {}
    for name, kind in (("cost", float), ("requests", int)):
        text = request.POST.get(f"budget_{name}", "").strip()
        try:
            given |= {name: kind(text)} if text else {}
        except ValueError:
            raise invalid_field(f"budget.{name}", "type", f"“{text[:40]}” is not a number.") from None
    return parse_budget(given)


def _rights(request: PageRequest) -> dict[str, bool]:
    return {name: allows(request.actor, right) for name, right in RIGHTS.items()}
