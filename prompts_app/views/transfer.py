"""Prompts from elsewhere: a file or another server, what would change, and then the import; and prompts to take along."""

import re
from typing import cast

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import Truncator

from prompts_app.actions.imports import Plan
from prompts_app.actions.pending_imports import find_import, forget_import, plan_pending, receive_import, take_over
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.pulls import begin_pull
from prompts_app.actions.versions import find_version
from prompts_app.models import PendingPrompts
from prompts_app.transfer.bundle import MOST_BYTES
from prompts_app.transfer.histories import PromptHistory
from prompts_app.transfer.prompty_writing import write_prompty
from prompts_app.transfer_queries import bundle_pieces
from registry.core.downloads import download
from registry.core.errors import Conflict, Invalid, NotFound, invalid_field
from registry.core.models import JobState
from registry.core.pages import PageForm, attempt, page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

SHOWN_PROMPTS, SHOWN_VERSIONS, SHOWN_CHARACTERS = 200, 20, 160


class FileForm(PageForm):
    """A bundle, a table or a Prompty file."""

    file = forms.FileField(
        allow_empty_file=True,
        help_text="A bundle of Greenroom (.json), a Prompty file (.prompty), a text (.txt, .md), or a table (.csv, .tsv) "
        "whose first line names a column name and a column text.",
    )
    called = forms.CharField(
        required=False,
        strip=False,
        max_length=255,
        label="Name of the prompt",
        help_text="For a Prompty file or a text. Left empty: the one in the file, else the file's own.",
    )

    def receive(self, request: PageRequest) -> PendingPrompts:
        """Keep the file."""
        file = cast("UploadedFile[bytes]", self.cleaned_data["file"])
        if (file.size or 0) > MOST_BYTES:
            raise invalid_field("file", "length", f"At most {MOST_BYTES:,} bytes are read: export a folder at a time.")
        try:
            text = file.read().decode()
        except UnicodeDecodeError:
            raise invalid_field("file", "character", "The file is no text in UTF-8.") from None
        return receive_import(request.actor, text, name=file.name or "", called=self.cleaned_data["called"])


class ServerForm(PageForm):
    """Another server and what opens it."""

    url = forms.CharField(label="Address", max_length=500, help_text="Such as https://cloud.langfuse.com")
    public_key = forms.CharField(max_length=500, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    secret_key = forms.CharField(
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Used for this one reading, and kept nowhere.",
    )


@page("GET", "HEAD", "POST")
def import_prompts(request: PageRequest) -> HttpResponse:
    """Where prompts come from; once something waits, what it would change."""
    require(request.actor, Permission.WRITE)
    if request.method != "POST":
        pending = find_import(request.actor)
        return _looked_at(request, pending) if pending else _asked(request)
    step = request.POST.get("step", "")
    if step == "forget":
        forget_import(request.actor)
    elif step == "take":
        return _taken(request)
    elif step == "pull":
        form = ServerForm(request.POST)
        if attempt(form, lambda: begin_pull(request.actor, **form.cleaned_data)) is None:
            return _asked(request, server=form)
    else:
        sent = FileForm(request.POST, request.FILES)
        if attempt(sent, lambda: sent.receive(request)) is None:
            return _asked(request, file=sent)
    return redirect("prompt_import", request.workspace.slug)


@page()
def export_prompts(request: PageRequest) -> HttpResponse:
    """All prompts as one bundle."""
    require(request.actor, Permission.READ)
    name = f"{request.workspace.slug}.bundle.json"
    return cast("HttpResponse", download(name, "application/json", bundle_pieces(request.workspace)))


@page()
def version_prompty(request: PageRequest, name: str, number: int) -> HttpResponse:
    """One version as a Prompty file."""
    require(request.actor, Permission.READ)
    prompt = find_prompt(request.workspace.pk, name)
    content = find_version(prompt, number).to_json()
    text = write_prompty(prompt.name, prompt.kind, content, description=prompt.description, tags=prompt.tags)
    file = f"{re.sub(r'[^A-Za-z0-9._-]', '-', prompt.name)}.prompty"
    return cast("HttpResponse", download(file, "text/plain; charset=utf-8", [text]))


def _taken(request: PageRequest) -> HttpResponse:
    try:
        plan = take_over(request.actor)
    except (Invalid, Conflict, NotFound) as refused:
        messages.error(request, refused.detail)
        return redirect("prompt_import", request.workspace.slug)
    prompts, versions = plan.new_prompts, plan.count("new")
    said = (
        f"{prompts:,} new prompt{'' if prompts == 1 else 's'} and {versions:,} new version{'' if versions == 1 else 's'} are"
        " here; nothing went live."
    )
    messages.success(request, said)
    if plan.is_whole:
        return redirect("board", request.workspace.slug)
    return _shown(request, {"plan": plan, "done": True})


def _asked(request: PageRequest, *, file: FileForm | None = None, server: ServerForm | None = None) -> HttpResponse:
    context = {"file": file or FileForm(), "server": server or ServerForm(), "most_bytes": MOST_BYTES}
    refused = bool((file and file.errors) or (server and server.errors))
    return render(request, "prompts/import.html", context, status=422 if refused else 200)


def _looked_at(request: PageRequest, pending: PendingPrompts) -> HttpResponse:
    if pending.state != JobState.DONE:
        return render(request, "prompts/import.html", {"pending": pending})
    try:
        plan = plan_pending(request.actor, pending)
    except Invalid as refused:
        return render(request, "prompts/import.html", {"pending": pending, "refused": refused})
    return _shown(request, {"plan": plan, "pending": pending})


def _shown(request: PageRequest, context: dict[str, object]) -> HttpResponse:
    plan = cast("Plan", context["plan"])
    steps = [
        {
            "step": one,
            "left": [version for version in one.versions if version.why][:SHOWN_VERSIONS],
            "begins": _beginning(one.history),
        }
        for one in plan.steps[:SHOWN_PROMPTS]
    ]
    counts = {outcome: plan.count(outcome) for outcome in ("new", "known", "conflict", "refused")}
    return render(request, "prompts/import.html", {**context, "steps": steps, "counts": counts})


def _beginning(history: PromptHistory) -> str:
    """How the newest version begins: enough to see whether the right text was read."""
    content = history.versions[-1].content if history.versions else {}
    messages = content.get("messages")
    text = content.get("text")
    if isinstance(messages, list):
        texts = (one.get("content") for one in messages if isinstance(one, dict))
        text = next((found for found in texts if isinstance(found, str) and found.strip()), "")
    return Truncator(text[: 2 * SHOWN_CHARACTERS]).chars(SHOWN_CHARACTERS) if isinstance(text, str) else ""
