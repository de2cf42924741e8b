"""Two runs side by side, and what they are compared by."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from evals_app.actions.runs import find_run
from evals_app.actions.suites import find_suite
from evals_app.comparison_queries import arm_of, compare, flips_page
from evals_app.comparison_sql import RunArm
from evals_app.suite_history import STEP, suite_history
from evals_app.version_answers import answers_of, others_of
from evals_app.views.run_new import VERSIONS_OFFERED
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from prompts_app.history_queries import numbers
from prompts_app.models import Prompt, PromptVersion
from registry.core.errors import NotFound
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

FLIPS = [("", "All flipped"), ("worse", "Worse"), ("better", "Better")]


@page()
def run_compare_choose(request: PageRequest, pk: int) -> HttpResponse:
    """What a run can be compared with: another run of its suite, or another version by its newest run."""
    require(request.actor, Permission.READ)
    run = find_run(request.workspace.pk, pk)
    context = {
        "run": run,
        "others": others_of(run),
        "choices": numbers(run.prompt)[:VERSIONS_OFFERED],
        "may_run": allows(request.actor, Permission.RUN),
    }
    return render(request, "evals/run_compare_choose.html", context)


@page()
def suite_compare(request: PageRequest, suite: str) -> HttpResponse:
    """Two versions by their newest answers on a suite; where one has none, what would bring them."""
    require(request.actor, Permission.READ)
    found = find_suite(request.workspace.pk, suite)
    prompt = find_prompt(request.workspace.pk, request.GET.get("prompt", ""))
    old, new = (answers_of(found, _version(request, prompt, name)) for name in ("from", "to"))
    if old.ended and new.ended:
        runs = [request.workspace.slug, old.ended.run.pk, new.ended.run.pk]
        arms = {"old_arm": old.ended.arm.value, "new_arm": new.ended.arm.value}
        return redirect(reverse("run_compare", args=runs, query=arms))
    context = {
        "suite": found,
        "prompt": prompt,
        "sides": (old, new),
        "may_run": allows(request.actor, Permission.RUN),
        "choices": numbers(prompt)[:VERSIONS_OFFERED],
    }
    return render(request, "evals/suite_compare.html", context)


@page()
def suite_history_page(request: PageRequest, suite: str) -> HttpResponse:
    """How a prompt's versions did on a suite over time."""
    require(request.actor, Permission.READ)
    found = find_suite(request.workspace.pk, suite)
    prompt = find_prompt(request.workspace.pk, request.GET.get("prompt", ""))
    points = suite_history(found, prompt)
    context = {"suite": found, "prompt": prompt, "points": points, "width": max(320, STEP * (len(points) + 2))}
    return render(request, "evals/suite_history.html", context)


@page()
def run_compare(request: PageRequest, pk: int, other: int) -> HttpResponse:
    """The run of the address against another: what flipped, what each score says, cost and latency."""
    require(request.actor, Permission.READ)
    old = RunArm(find_run(request.workspace.pk, pk), arm_of(request.GET.get("old_arm", "")))
    new = RunArm(find_run(request.workspace.pk, other), arm_of(request.GET.get("new_arm", "")))
    compared = compare(old, new)
    which = request.GET.get("flips", "")
    which = which if which in dict(FLIPS) else ""
    counts = {"": compared.flip_count, **compared.counts}
    context = {
        "compared": compared,
        "sure": 1 - compared.alpha,
        "which": which,
        "picks": [(value, label, counts[value]) for value, label in FLIPS],
        "found": flips_page(compared, which=which, page=request.GET.get("page")),
    }
    return render(request, "evals/run_compare.html", context)


def _version(request: PageRequest, prompt: Prompt, name: str) -> PromptVersion:
    text = request.GET.get(name, "")
    if not text.isdecimal() or len(text) > 9:
        raise NotFound("version.not_found", "Name two versions: from and to.")
    return find_version(prompt, int(text))
