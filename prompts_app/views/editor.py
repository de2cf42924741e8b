"""The editor: typed, previewed, kept as a draft, saved as a version. Nothing typed is lost on a refusal."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import (
    SavedVersion,
    create_version,
    discard_draft,
    newest_version,
    prepare,
    save_draft,
)
from prompts_app.diffing import compare
from prompts_app.editing import Card, Typed, blank, from_content, from_draft, read_form, stand_ins, variable_names
from prompts_app.history_queries import draft_of
from prompts_app.models import Prompt
from prompts_app.sandbox import client as sandbox
from prompts_app.views.drawing import draw
from registry.core.errors import Conflict, Invalid, RegistryError
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest


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
    """Keep what is typed so far; answers with when that was."""
    prompt = find_prompt(request.workspace.pk, name)
    typed = read_form(prompt.kind, dict(request.POST.lists()))
    save_draft(request.actor, prompt, typed.to_json(), message=typed.message, based_on=typed.based_on)
    return render(request, "prompts/edit.html#draft_state", {"saved_at": timezone.now()})


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
    context = _preview(prompt, read_form(prompt.kind, dict(request.POST.lists())))
    return render(request, "prompts/preview.html", context | {"prompt": prompt})


def _start(request: PageRequest, prompt: Prompt) -> Typed:
    draft = draft_of(prompt, request.member.pk)
    if draft:
        return replace(from_draft(prompt.kind, draft.content), message=draft.message, based_on=draft.based_on)
    newest = newest_version(prompt)
    return from_content(prompt.kind, newest.editable(), based_on=newest.number) if newest else blank(prompt.kind)


def _save(request: PageRequest, prompt: Prompt, typed: Typed) -> HttpResponse:
    based_on = None if request.POST.get("over") else typed.based_on
    try:
        saved = create_version(request.actor, prompt, typed.content(), message=typed.message, based_on=based_on)
    except (Invalid, Conflict) as refused:
        return _editor(request, prompt, typed.refused(refused), refused)
    discard_draft(request.actor, prompt)
    messages.success(request, _said(saved)) if saved.is_new else messages.info(request, _said(saved))
    return redirect("prompt", request.workspace.slug, prompt.name)


def _said(saved: SavedVersion) -> str:
    number = saved.version.number
    if not saved.is_new:
        return f"Nothing to save: version {number} says the same."
    live = ", ".join(moved.deployment.environment.label for moved in saved.moved)
    return f"Version {number} is saved" + (f" and live in {live}." if live else ".")


def _editor(request: PageRequest, prompt: Prompt, typed: Typed, refused: RegistryError | None = None) -> HttpResponse:
    newest = newest_version(prompt)
    context = {
        "prompt": prompt,
        "newest": newest,
        "typed": typed,
        "draft": draft_of(prompt, request.member.pk),
        "refused": refused,
        "is_behind": newest is not None and typed.based_on is not None and typed.based_on != newest.number,
        "next_number": prompt.last_number + 1,
        "new_message": Card(),
        "new_placeholder": Card(role="", shape="placeholder", content="history"),
        **_preview(prompt, typed),
    }
    return render(request, "prompts/edit.html", context, status=refused.status if refused else 200)


def _preview(prompt: Prompt, typed: Typed) -> dict[str, object]:
    """`rendered` or `problems`, and `changes` since the newest version where the content can be read."""
    context: dict[str, object] = {"rendered": None, "problems": typed.problems, "changes": None, "names": ()}
    try:
        _, content = prepare(prompt, typed.content())
        newest = newest_version(prompt)
        context["changes"] = draw(compare(newest.load(), content)) if newest else None
        context["names"] = variable_names(content.variables)
        context["since"] = newest.number if newest else None
        context["rendered"] = sandbox.render(content.source, {**stand_ins(content.variables), **typed.values()})
    except RegistryError as refused:
        context["problems"] = typed.problems or typed.refused(refused).problems
    return context
