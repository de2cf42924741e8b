"""Suites: which there are, what one asks, and where it is attached."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify

from evals_app.actions.newer_judges import take_judge
from evals_app.actions.suites import MOST_SLUG, attach_suite, create_suite, detach_suite, find_suite, find_suite_version
from evals_app.judge_reports import suite_judges
from evals_app.models import RunOn, Suite
from evals_app.suite_queries import attachments_of, prompts_to_choose, recent_runs, suite_list, suite_sheet, versions_of
from prompts_app.actions.prompts import find_prompt
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound, RegistryError
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

RUN_ON = [
    (RunOn.NEW_VERSION.value, "For each new version"),
    (RunOn.PROMOTION.value, "Only when a promotion needs it"),
]


class SuiteForm(PageForm):
    """A new suite; its slug is for good, and made of the title where none is typed."""

    title = forms.CharField(max_length=200, help_text="The question it asks: Finds the intent, Stays polite.")
    slug = forms.CharField(
        max_length=63,
        required=False,
        help_text="Its name in addresses and checks, for good: lower-case letters, digits, - and _. Empty: the title so written.",
    )
    is_safety = forms.BooleanField(
        required=False,
        label="It guards safety",
        help_text="Where it is required and has not passed, nobody can override it.",
    )

    def create(self, request: PageRequest) -> Suite:
        """Make it as the form says."""
        given = self.cleaned_data
        slug = given["slug"] or slugify(given["title"])[:MOST_SLUG].strip("-_")
        return create_suite(request.actor, slug, title=given["title"], is_safety=given["is_safety"])


class AttachForm(PageForm):
    """Where a suite is asked, and how."""

    prompt = forms.CharField(max_length=255, strip=False, widget=forms.TextInput(attrs={"list": "prompt-names"}))
    run_on = forms.ChoiceField(label="Runs", choices=RUN_ON)
    required = forms.BooleanField(
        required=False, label="Required", help_text="It must have passed wherever the rules ask for suites."
    )

    def attach(self, request: PageRequest, suite: Suite) -> None:
        """Attach it as the form says."""
        given = self.cleaned_data
        prompt = find_prompt(request.workspace.pk, given["prompt"])
        attach_suite(request.actor, suite, prompt, required=given["required"], run_on=given["run_on"])


@page()
def suites_page(request: PageRequest) -> HttpResponse:
    """All suites of the workspace."""
    require(request.actor, Permission.READ)
    found, lines = suite_list(request.workspace.pk, page=request.GET.get("page"))
    context = {"page": found, "lines": lines, "may_write": allows(request.actor, Permission.WRITE)}
    return render(request, "evals/suites.html", context)


@page("GET", "HEAD", "POST")
def suite_new(request: PageRequest) -> HttpResponse:
    """The form for a new suite; then its cases."""
    require(request.actor, Permission.WRITE)
    form = SuiteForm(request.POST or None)
    if request.method == "POST":
        made = attempt(form, lambda: form.create(request))
        if made:
            return redirect("suite_edit", request.workspace.slug, made.slug)
    return render(request, "evals/suite_new.html", {"form": form}, status=status_of(form))


@page()
def suite_page(request: PageRequest, suite: str) -> HttpResponse:
    """What a suite asks, by which rules, of which prompts."""
    require(request.actor, Permission.READ)
    return _answer(request, find_suite(request.workspace.pk, suite))


@page("POST")
def suite_attach(request: PageRequest, suite: str) -> HttpResponse:
    """Ask it of a prompt's versions, or change how."""
    found = find_suite(request.workspace.pk, suite)
    form = AttachForm(request.POST)
    attempt(form, lambda: form.attach(request, found), also=(RegistryError,))
    if form.errors:
        return _answer(request, found, form)
    messages.success(request, f"{found.title} is asked of {form.cleaned_data['prompt']}.")
    return redirect("suite", request.workspace.slug, found.slug)


@page("POST")
def suite_detach(request: PageRequest, suite: str) -> HttpResponse:
    """Ask it of a prompt no longer."""
    found = find_suite(request.workspace.pk, suite)
    prompt = find_prompt(request.workspace.pk, request.POST.get("prompt", "").replace("\0", ""))
    detach_suite(request.actor, found, prompt)
    messages.success(request, f"{found.title} is no longer asked of {prompt.name}.")
    return redirect("suite", request.workspace.slug, found.slug)


@page("POST")
def suite_judge(request: PageRequest, suite: str) -> HttpResponse:
    """Take a newer version of a judge: that saves the suite anew."""
    found = find_suite(request.workspace.pk, suite)
    name, text = (request.POST.get(field, "").replace("\0", "") for field in ("judge", "version"))
    try:
        saved = take_judge(
            request.actor, found, name=name, version=int(text) if text.isdecimal() and len(text) < 10 else 0
        )
        messages.success(
            request, f"Version {saved.version.number} asks version {text} of {name}. Earlier evidence is stale."
        )
    except (Invalid, Conflict, Forbidden) as refused:
        messages.error(request, refused.errors[0].message if refused.errors else refused.detail)
    return redirect("suite", request.workspace.slug, found.slug)


def _answer(request: PageRequest, suite: Suite, form: AttachForm | None = None) -> HttpResponse:
    names = prompts_to_choose(request.workspace.pk)
    context = {
        "suite": suite,
        "versions": versions_of(suite),
        "attachments": attachments_of(suite),
        "recent": recent_runs(suite),
        "form": form or AttachForm(initial={"prompt": names[0] if len(names) == 1 else ""}),
        "run_on_choices": RUN_ON,
        "prompt_names": names,
        "may_write": allows(request.actor, Permission.WRITE),
        "may_run": allows(request.actor, Permission.RUN),
    }
    if suite.last_number:
        version = find_suite_version(suite, _number(request) or suite.last_number)
        tag = request.GET.get("tag", "").replace("\0", "")
        context |= {"tag": tag, "sheet": suite_sheet(suite, version, tag=tag, page=request.GET.get("page"))}
        context["judges"] = suite_judges(version)
    return render(request, "evals/suite.html", context, status=status_of(form) if form else 200)


def _number(request: PageRequest) -> int:
    """The version of the address, 0 for none; raises NotFound for what is no number."""
    text = request.GET.get("version", "")
    if text and not (text.isdecimal() and len(text) < 10):
        raise NotFound("suite_version.not_found", "This suite has no such version.")
    return int(text or 0)
