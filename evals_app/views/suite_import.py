"""Importing cases: a file or what is pasted, its columns, what comes of it, and then into the draft."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import cast

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from evals_app.actions.suite_drafts import How
from evals_app.actions.suite_imports import (
    TakenOver,
    find_pending_import,
    forget_import,
    map_columns,
    read_pending,
    receive_file,
    take_over,
)
from evals_app.actions.suites import find_suite
from evals_app.draft_queries import editor_sheet, keys_in_draft
from evals_app.files.columns import Column
from evals_app.files.table import MOST_BYTES, decode
from evals_app.models import PendingImport, Suite
from evals_app.suite_content import MOST_CASES
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from registry.core.errors import Conflict, Invalid, NotFound, invalid_field
from registry.core.pages import PageForm, attempt, page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

SHOWN_CASES, SHOWN_MISTAKES = 12, 50
FORMS = [
    ("", "Found out from the file"),
    ("csv", "CSV"),
    ("jsonl", "JSON, one object a line"),
    ("json", "JSON"),
    ("promptfoo", "promptfoo YAML"),
]
USES = [
    ("variable", "a variable"),
    ("key", "the key"),
    ("expected", "what is expected"),
    ("tags", "tags"),
    ("critical", "whether it is critical"),
    ("cluster", "the cluster"),
    ("messages", "earlier messages (JSON)"),
    ("scorers", "scorers of its own (JSON)"),
    ("", "left out"),
]
HOWS = [
    ("append", "Add them at the end"),
    ("merge", "Add them; one with a key that is there takes its place"),
    ("replace", "Put them in place of all cases"),
]


class FileForm(PageForm):
    """A file, or text instead."""

    file = forms.FileField(
        required=False, allow_empty_file=True, help_text="CSV, JSONL, JSON, or a promptfoo configuration."
    )
    text = forms.CharField(
        required=False,
        strip=False,
        label="Or paste it",
        widget=forms.Textarea(attrs={"class": "mono", "rows": 8, "spellcheck": "false"}),
    )
    form = forms.ChoiceField(required=False, label="Kind", choices=FORMS)

    def receive(self, request: PageRequest, suite: Suite) -> PendingImport:
        """Keep the file, or what was pasted."""
        file, pasted = self.cleaned_data["file"], self.cleaned_data["text"]
        if isinstance(file, UploadedFile):
            if (file.size or 0) > MOST_BYTES:
                raise invalid_field("file", "length", f"At most {MOST_BYTES:,} bytes are read: split the file.")
            return self._kept(request, suite, decode(file.read()), file.name or "")
        if not pasted.strip():
            raise invalid_field("file", "required", "Choose a file, or paste its text below.")
        return self._kept(request, suite, pasted.replace("\r\n", "\n"), "")

    def _kept(self, request: PageRequest, suite: Suite, text: str, name: str) -> PendingImport:
        return receive_file(request.actor, suite, text, name=name, form=self.cleaned_data["form"])


@page("GET", "HEAD", "POST")
def suite_import(request: PageRequest, suite: str) -> HttpResponse:
    """The form for a file; once there is one, its columns and what they make of it."""
    require(request.actor, Permission.WRITE)
    found = find_suite(request.workspace.pk, suite)
    if request.method != "POST":
        pending = PendingImport.objects.filter(suite=found, member_id=request.member.pk).first()
        return _looked_at(request, found, pending) if pending else _asked(request, found, FileForm())
    step = request.POST.get("step", "")
    if step == "forget":
        forget_import(request.actor, found)
    elif step == "columns":
        return _mapped(request, found)
    elif step == "take":
        return _taken(request, found)
    elif step.startswith("prompt:"):
        return _prompt_made(request, found, step.partition(":")[2])
    else:
        form = FileForm(request.POST, request.FILES)
        if attempt(form, lambda: form.receive(request, found)) is None:
            return _asked(request, found, form)
    return redirect("suite_import", request.workspace.slug, found.slug)


def _asked(request: PageRequest, suite: Suite, form: FileForm) -> HttpResponse:
    context = {"suite": suite, "form": form, "most_bytes": MOST_BYTES, "most_cases": MOST_CASES}
    return render(request, "evals/suite_import.html", context, status=422 if form.errors else 200)


def _mapped(request: PageRequest, suite: Suite) -> HttpResponse:
    try:
        map_columns(request.actor, suite, _columns(request))
    except Invalid as refused:
        return _looked_at(request, suite, find_pending_import(request.actor, suite), refused, _columns(request))
    return redirect("suite_import", request.workspace.slug, suite.slug)


def _taken(request: PageRequest, suite: Suite) -> HttpResponse:
    how = request.POST.get("how", "append")
    try:
        done = take_over(
            request.actor,
            suite,
            how=cast("How", how if how in dict(HOWS) else "append"),
            skip_mistakes="skip" in request.POST,
            with_rules="rules" in request.POST,
        )
    except (Invalid, Conflict) as refused:
        return _looked_at(request, suite, find_pending_import(request.actor, suite), refused)
    messages.success(request, _said(done))
    return redirect("suite_edit", request.workspace.slug, suite.slug)


def _prompt_made(request: PageRequest, suite: Suite, number: str) -> HttpResponse:
    """One of the file's prompts as a prompt of the workspace, with its first version."""
    pending = find_pending_import(request.actor, suite)
    prompts = dict(enumerate(read_pending(pending).prompts))
    found = prompts.get(int(number)) if number.isascii() and number.isdecimal() and len(number) < 6 else None
    if found is None:
        raise NotFound("prompt.not_found", "The file has no such prompt.")
    name = request.POST.get(f"prompt-{number}", "")
    try:
        with transaction.atomic():
            made = create_prompt(request.actor, name, kind=found.kind)
            create_version(request.actor, made, found.content(), message="Imported from promptfoo")
    except (Invalid, Conflict) as refused:
        return _looked_at(request, suite, pending, refused)
    messages.success(request, f"The prompt {made.name} has its first version.")
    return redirect("suite_import", request.workspace.slug, suite.slug)


def _said(done: TakenOver) -> str:
    left = f" {done.left_out:,} left out." if done.left_out else ""
    cases = f"{done.added:,} case{'' if done.added == 1 else 's'}"
    return f"{cases} put into your draft, which has {done.total:,} now.{left} Save it to make the version."


def _columns(request: PageRequest) -> list[Column]:
    """The mapping as posted, one entry a column."""
    lists = [request.POST.getlist(name) for name in ("column", "use", "name")]
    as_json, as_tags = set(request.POST.getlist("json")), set(request.POST.getlist("tag"))
    if len({len(values) for values in lists}) != 1:
        raise Invalid("form.broken", "The page came back incomplete: load it again.")
    return [
        Column(header, use, name, is_json=str(index) in as_json, as_tag=str(index) in as_tags)
        for index, (header, use, name) in enumerate(zip(*lists, strict=True))
    ]


def _looked_at(
    request: PageRequest,
    suite: Suite,
    pending: PendingImport,
    refused: Invalid | Conflict | None = None,
    columns: Sequence[Column] = (),
) -> HttpResponse:
    read = read_pending(pending)
    sheet = editor_sheet(suite, request.member.pk, page=None)
    there = keys_in_draft(suite, request.member.pk)
    reading = read.reading
    context = {
        "suite": suite,
        "pending": pending,
        "columns": columns or read.columns,
        "reading": reading,
        "rules": read.rules,
        "notes": read.notes,
        "prompts": [(one, _name_for(one.label, index)) for index, one in enumerate(read.prompts)],
        "cases": reading.cases[:SHOWN_CASES],
        "mistakes": reading.mistakes[:SHOWN_MISTAKES],
        "left_out": reading.read - len(reading.cases),
        "tags": Counter(str(tag) for one in reading.cases for tag in _tags(one.case.get("tags"))).most_common(8),
        "known": sum(one.case.get("key") in there for one in reading.cases),
        "present": sheet.count,
        "warning": sheet.size.warning if sheet.size else "",
        "uses": USES,
        "hows": HOWS,
        "refused": refused,
    }
    return render(request, "evals/suite_import.html", context, status=refused.status if refused else 200)


def _tags(tags: object) -> list[object]:
    return tags if isinstance(tags, list) else []


def _name_for(label: str, index: int) -> str:
    """A name for a prompt of the file, from its label."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:60] or f"prompt-{index + 1}"
