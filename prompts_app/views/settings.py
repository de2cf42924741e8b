"""Settings of the stages: which there are, in which order, under which label and colour."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from prompts_app.actions.environments import (
    COLOURS,
    archive_environment,
    change_environment,
    create_environment,
    find_environment,
    move_environment,
)
from prompts_app.environment_queries import with_makers
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

CHOICES = [(colour, colour) for colour in COLOURS]


class LookForm(PageForm):
    """What may change about an environment besides its rules."""

    label = forms.CharField(max_length=63)
    colour = forms.ChoiceField(choices=CHOICES)
    rank = forms.IntegerField(min_value=0, max_value=1000, help_text="Lower stages come first.")
    description = forms.CharField(required=False, max_length=2000)


class EnvironmentForm(LookForm):
    """A new environment; its name is for good."""

    field_order = ("name", "label", "colour", "rank", "description")
    name = forms.CharField(
        max_length=63,
        help_text="Keys and services hold it, so it cannot be changed later. Lower-case letters, digits, - and _.",
    )
    label = forms.CharField(max_length=63, required=False)
    rank = forms.IntegerField(
        min_value=0, max_value=1000, required=False, help_text="Lower stages come first. Left empty, it comes last."
    )


@page("GET", "HEAD", "POST")
def environment_list(request: PageRequest) -> HttpResponse:
    """All stages, and the form for a new one."""
    require(request.actor, Permission.ADMINISTER)
    form = EnvironmentForm(request.POST or None)
    if request.method == "POST":
        made = attempt(form, lambda: create_environment(request.actor, **form.cleaned_data))
        if made:
            messages.success(request, f"{made.label} is there. Set its rules next.")
            return redirect("environment", request.workspace.slug, made.name)
    return _list_page(request, form)


@page("POST")
def environment_change(request: PageRequest, environment: str) -> HttpResponse:
    """Another label, colour, place or description."""
    row = find_environment(request.workspace.pk, environment)
    form = LookForm(request.POST)
    changed = attempt(form, lambda: change_environment(request.actor, row, **form.cleaned_data))
    if changed:
        messages.success(request, f"{changed.label} is changed.")
    else:
        messages.error(request, " ".join(f"{name}: {text}" for name, texts in form.errors.items() for text in texts))
    return redirect("settings_environments", request.workspace.slug)


@page("POST")
def environment_move(request: PageRequest, environment: str) -> HttpResponse:
    """One place earlier or later."""
    row = find_environment(request.workspace.pk, environment)
    moved = move_environment(request.actor, row, up=request.POST.get("up") == "1")
    messages.success(request, f"{moved.label} is stage {moved.rank + 1} now.")
    return redirect("settings_environments", request.workspace.slug)


@page("POST")
def environment_archive(request: PageRequest, environment: str) -> HttpResponse:
    """Take a stage out of use."""
    row = archive_environment(request.actor, find_environment(request.workspace.pk, environment))
    messages.success(request, f"{row.label} is archived.")
    return redirect("settings_environments", request.workspace.slug)


def _list_page(request: PageRequest, form: EnvironmentForm) -> HttpResponse:
    context = {"form": form, "environments": with_makers(request.workspace.pk), "colours": COLOURS}
    return render(request, "prompts/environments.html", context, status=status_of(form))
