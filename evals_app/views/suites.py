"""Suites: which there are, what one asks, and where it is attached."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify

from evals_app.actions.newer_judges import take_judge
from evals_app.actions.suites import MOST_SLUG, attach_suite, create_suite, detach_suite, find_suite, find_suite_version
from evals_app.judge_reports import suite_judges
from evals_app.models import RunOn, Suite
from evals_app.queries import is_required_where_protected
from evals_app.suite_queries import (
    attachments_of,
    only_one,
    prompts_to_choose,
    recent_runs,
    suite_list,
    suite_sheet,
    unfilled,
    versions_of,
)
from prompts_app.actions.prompts import find_prompt
from prompts_app.detours import stay_on_detour
from prompts_app.models import Prompt
from registry.core.actor import Actor
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound, RegistryError, invalid_field
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

RUN_ON = [
    (RunOn.NEW_VERSION.value, "For each new version"),
    (RunOn.PROMOTION.value, "Only when a promotion needs it"),
]


class SuiteForm(PageForm):
    """A new suite; its slug is for good, and made of the title where none is typed."""

    title = forms.CharField(
        max_length=200,
        help_text="What a good answer does, such as: Finds the intent. Stays polite.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )
    prompt = forms.CharField(
        max_length=255,
        strip=False,
        required=False,
        label="Asked of",
        help_text="The prompt whose variables its cases give values for. It can be asked of more prompts later.",
        widget=forms.TextInput(attrs={"list": "prompt-names", "autocomplete": "off"}),
    )
    required = forms.BooleanField(
        required=False,
        label="Required before this prompt is promoted",
        help_text="Where the rules ask for suites, it has to have passed. It takes effect once its cases are saved.",
    )
    slug = forms.CharField(
        max_length=63,
        required=False,
        help_text="Its name in addresses and checks, which cannot be changed later: lower-case letters, digits, - and _. "
        "Left empty, it is made of the title.",
    )
    is_safety = forms.BooleanField(
        required=False,
        label="It guards safety",
        help_text="Where it is required and has not passed, nobody can override it.",
    )

    def create(self, request: PageRequest) -> Suite:
        """Make it as the form says."""
        given = self.cleaned_data
        prompt = _named(request, given["prompt"]) if given["prompt"] else None
        return make_suite(request, given["title"], slug=given["slug"], is_safety=given["is_safety"], prompt=prompt)


@transaction.atomic
def make_suite(
    request: PageRequest, title: str, *, slug: str = "", is_safety: bool = False, prompt: Prompt | None = None
) -> Suite:
    """A new suite, asked of a prompt where one is given; without a slug that is made of the title."""
    named = slug or slugify(title)[:MOST_SLUG].strip("-_")
    made = create_suite(request.actor, named, title=title, is_safety=is_safety)
    if prompt is not None:
        attach_suite(request.actor, made, prompt)
    return made


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
    context = {"page": found, "lines": lines}
    return render(request, "evals/suites.html", context)


@page("GET", "HEAD", "POST")
def suite_new(request: PageRequest) -> HttpResponse:
    """The form for a new suite; then its cases."""
    require(request.actor, Permission.WRITE)
    names = prompts_to_choose(request.workspace.pk)
    meant = request.GET.get("prompt") or only_one(names)
    form = SuiteForm(request.POST or None, initial={"prompt": meant, "required": "required" in request.GET})
    if not meant:
        del form.fields["required"]
    if request.method == "POST":
        made = attempt(form, lambda: form.create(request))
        if made:
            more = {"require": "on"} if form.cleaned_data.get("required") else {}
            return stay_on_detour(request, "suite_edit", request.workspace.slug, made.slug, **more)
    context = {"form": form, "prompt_names": names}
    return render(request, "evals/suite_new.html", context, status=status_of(form))


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
    given = form.cleaned_data
    messages.success(request, attached_words(found, given["prompt"], required=given["required"]))
    return stay_on_detour(request, "suite", request.workspace.slug, found.slug)


def attached_words(suite: Suite, prompt: str, *, required: bool) -> str:
    """What became of a suite that was attached, or attached otherwise than before."""
    return (
        f"{suite.title} is required of {prompt}." if required else f"{suite.title} is asked of {prompt}, not required."
    )


@page("POST")
def suite_detach(request: PageRequest, suite: str) -> HttpResponse:
    """Ask it of a prompt no longer."""
    found = find_suite(request.workspace.pk, suite)
    prompt = find_prompt(request.workspace.pk, request.POST.get("prompt", "").replace("\0", ""))
    detach_suite(request.actor, found, prompt)
    messages.success(request, f"{found.title} is no longer asked of {prompt.name}.")
    return stay_on_detour(request, "suite", request.workspace.slug, found.slug)


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


def _may_lift(actor: Actor, suite: Suite) -> bool:
    """Whether the reader may say that the suite is no longer required; asked of the database only where roles leave it open."""
    if allows(actor, Permission.CHANGE_REQUIRED_SUITE):
        return True
    return allows(actor, Permission.WRITE) and not is_required_where_protected(suite)


def _answer(request: PageRequest, suite: Suite, form: AttachForm | None = None) -> HttpResponse:
    names = prompts_to_choose(request.workspace.pk)
    attachments = attachments_of(suite)
    context = {
        "suite": suite,
        "versions": versions_of(suite),
        "attachments": attachments,
        "recent": recent_runs(suite),
        "form": form or AttachForm(initial={"prompt": only_one(names)}),
        "run_on_choices": RUN_ON,
        "prompt_names": names,
        "may_run": allows(request.actor, Permission.RUN),
        "may_lift": _may_lift(request.actor, suite),
    }
    if suite.last_number:
        version = find_suite_version(suite, _number(request) or suite.last_number)
        tag = request.GET.get("tag", "")
        sheet = suite_sheet(suite, version, tag=tag, page=request.GET.get("page"))
        context |= {"tag": tag, "sheet": sheet, "judges": suite_judges(version)}
        if sheet.is_newest and not tag:
            context["unfilled"] = unfilled(attachments, sheet.cases)
    return render(request, "evals/suite.html", context, status=status_of(form) if form else 200)


def _named(request: PageRequest, name: str) -> Prompt:
    """The prompt that is typed; raises Invalid at its field."""
    try:
        return find_prompt(request.workspace.pk, name)
    except NotFound:
        raise invalid_field("prompt", "choice", "There is no prompt of that name.") from None


def _number(request: PageRequest) -> int:
    """The version of the address, 0 for none; raises NotFound for what is no number."""
    text = request.GET.get("version", "")
    if text and not (text.isdecimal() and len(text) < 10):
        raise NotFound("suite_version.not_found", "This suite has no such version.")
    return int(text or 0)
