"""The editor: typed, previewed, kept as a draft, saved as a version. Nothing typed is lost on a refusal."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime

from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import (
    SavedVersion,
    create_version,
    discard_draft,
    newest_version,
    save_draft,
)
from prompts_app.editing import Card, Typed, blank, from_content, from_draft, read_form
from prompts_app.environment_queries import unguarded
from prompts_app.evaluation import offers, starts
from prompts_app.history_queries import draft_of, includable
from prompts_app.models import Prompt
from prompts_app.panels import KINDS, Row
from prompts_app.views.previewing import preview_of
from registry.core.errors import Conflict, FieldError, Invalid, RegistryError
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

ROLES = ("system", "user", "assistant", "developer", "tool")


@page("GET", "HEAD", "POST")
def prompt_edit(request: PageRequest, name: str) -> HttpResponse:
    """The editor of a prompt; saving makes the next version."""
    require(request.actor, Permission.WRITE)
    prompt = find_prompt(request.workspace.pk, name)
    if request.method != "POST":
        return _editor(request, prompt, _start(request, prompt))
    typed = read_form(prompt.kind, dict(request.POST.lists()))
    if step := request.POST.get("step"):
        return _editor(request, prompt, typed.step(step))
    return _save(request, prompt, typed)


@page("POST")
def prompt_draft(request: PageRequest, name: str) -> HttpResponse:
    """Keep what is typed so far; answers with when that was, or with whose draft is in the way."""
    prompt = find_prompt(request.workspace.pk, name)
    typed = read_form(prompt.kind, dict(request.POST.lists()))
    seen = None if request.POST.get("over_draft") else request.POST.get("draft_stamp")
    try:
        draft = save_draft(
            request.actor, prompt, typed.to_json(), message=typed.message, based_on=typed.based_on, seen=seen
        )
    except Conflict as refused:
        moved_at = parse_datetime(str(refused.extra.get("at", "")))
        context = {"prompt": prompt, "draft_conflict": refused, "moved_at": moved_at, "draft_stamp": seen}
        return render(request, "prompts/edit.html#draft_state", context, status=refused.status)
    context = {"prompt": prompt, "saved_at": draft.updated_at, "draft_stamp": draft.stamp}
    return render(request, "prompts/edit.html#draft_state", context)


@page("POST")
def prompt_draft_discard(request: PageRequest, name: str) -> HttpResponse:
    """Forget the draft and start again from the newest version."""
    prompt = find_prompt(request.workspace.pk, name)
    discard_draft(request.actor, prompt)
    messages.success(request, "Draft discarded: this is the newest version.")
    return redirect("prompt_edit", request.workspace.slug, prompt.name)


@page("POST")
def prompt_preview(request: PageRequest, name: str) -> HttpResponse:
    """What is typed, rendered with the sample values, and what it changes; or what is wrong, which is an answer too."""
    require(request.actor, Permission.WRITE)
    prompt = find_prompt(request.workspace.pk, name)
    typed = read_form(prompt.kind, dict(request.POST.lists()))
    context = {"prompt": prompt, "typed": typed, "preview": preview_of(prompt, typed, request.member.pk)}
    return render(request, "prompts/preview.html", context)


@page()
def prompt_includes(request: PageRequest, name: str) -> HttpResponse:
    """Prompts that can be included in this one, as JSON: name, newest version and description of the first twenty."""
    require(request.actor, Permission.WRITE)
    prompt = find_prompt(request.workspace.pk, name)
    found = includable(request.workspace.pk, request.GET.get("q", ""))
    rows = [
        {"name": other, "version": number, "description": description}
        for other, number, description in found
        if other != prompt.name
    ]
    return JsonResponse({"prompts": rows})


def _start(request: PageRequest, prompt: Prompt) -> Typed:
    draft = draft_of(prompt, request.member.pk)
    if draft:
        return replace(from_draft(prompt.kind, draft.content), message=draft.message, based_on=draft.based_on)
    newest = newest_version(prompt)
    return from_content(prompt.kind, newest.editable(), based_on=newest.number) if newest else blank(prompt.kind)


def _save(request: PageRequest, prompt: Prompt, typed: Typed) -> HttpResponse:
    based_on = None if request.POST.get("over") else typed.based_on
    try:
        if not request.POST.get("no_secrets"):
            _refuse_secrets(prompt, typed)
        saved = create_version(request.actor, prompt, typed.content(), message=typed.message, based_on=based_on)
    except (Invalid, Conflict) as refused:
        return _editor(request, prompt, typed.refused(refused), refused)
    discard_draft(request.actor, prompt)
    messages.success(request, _said(saved)) if saved.is_new else messages.info(request, _said(saved))
    return redirect("prompt", request.workspace.slug, prompt.name)


def _refuse_secrets(prompt: Prompt, typed: Typed) -> None:
    """Ask once more before something that looks like a secret is kept for good."""
    newest = newest_version(prompt)
    suspects = typed.suspects(known=newest.content + newest.source if newest else "")
    if suspects:
        errors = [FieldError("", "secret", f"{one.place}: {one.name}, {one.shown}") for one in suspects]
        raise Invalid("content.secret", "This looks as if it held a secret.", errors=errors)


def _said(saved: SavedVersion) -> str:
    number = saved.version.number
    if not saved.is_new:
        return f"Nothing to save: version {number} says the same."
    live = ", ".join(moved.deployment.environment.label for moved in saved.moved)
    told = f", and live in {live} already: services there get it from now on." if live else ". It is live nowhere yet."
    return f"Version {number} is saved{told}"


def _editor(request: PageRequest, prompt: Prompt, typed: Typed, refused: RegistryError | None = None) -> HttpResponse:
    draft = draft_of(prompt, request.member.pk)
    preview = preview_of(prompt, typed, request.member.pk)
    model, offered = typed.drawn_model(), offers(request.workspace.pk)
    context = {
        "prompt": prompt,
        "typed": typed,
        "preview": preview,
        "newest": preview.newest,
        "draft": draft,
        "draft_stamp": request.POST.get("draft_stamp", draft.stamp if draft else ""),
        "saved_at": draft.updated_at if draft and request.method != "POST" else None,
        "refused": refused,
        "is_marked": any(problem.at is not None for problem in typed.problems),
        "next_number": prompt.last_number + 1,
        "rows": typed.drawn_rows(preview.used),
        "kinds": KINDS[1:],
        "model": model,
        "offers": offered,
        "is_offered": model is not None
        and any(model.asked == f"{one.provider}/{name}" for one in offered for name in one.models),
        "may_administer": allows(request.actor, Permission.ADMINISTER),
        "starts": starts(prompt.pk),
        "goes_live": unguarded(request.workspace.pk),
        "roles": ROLES,
        "new_message": Card(),
        "new_placeholder": Card(role="", shape="placeholder", content="history"),
        "new_row": Row(),
    }
    return render(request, "prompts/edit.html", context, status=refused.status if refused else 200)
