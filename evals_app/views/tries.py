"""Trying a prompt: one to three columns beside each other, told as they are answered, or whole without a script."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from evals_app.actions.suite_drafts import add_to_suite
from evals_app.actions.suites import find_suite
from evals_app.actions.tries import MOST_COLUMNS, Column, Ready, content_of, start_try
from evals_app.draft_queries import place_of
from evals_app.engine.machinery import machinery
from evals_app.engine.tryouts import PLACES, Said, ask_all, tell_all
from evals_app.models import Suite
from evals_app.suite_cells import value_of
from evals_app.trying import DRAFT, KEY, TypedColumn, TypedTry, asked_for, filled, read_try
from evals_app.tryout_queries import case_names, find_case, model_choices, suites_to_fill
from evals_app.views.suites import make_suite
from prompts_app.actions.prompts import find_prompt
from prompts_app.content import Placeholder, VersionContent
from prompts_app.editing import from_draft
from prompts_app.history_queries import draft_of, numbers
from prompts_app.models import Prompt
from prompts_app.problems import problems_of
from registry.core.api.problems import problem_response
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Invalid, NotFound, RegistryError, TooManyRequests
from registry.core.live import LiveResponse
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

NDJSON = "application/x-ndjson; charset=utf-8"
VERSIONS_OFFERED = 200


@dataclass(frozen=True)
class Tried:
    """One column as it was answered."""

    ready: Ready
    said: Said


@page("GET", "HEAD", "POST")
def prompt_try(request: PageRequest, name: str) -> HttpResponse:
    """The page; a form posted to it without a script is answered with whole answers."""
    prompt = find_prompt(request.workspace.pk, name)
    require(request.actor, Permission.READ)
    if request.method != "POST":
        return _page(request, prompt, _start(request, prompt))
    require(request.actor, Permission.RUN)
    typed = read_try(dict(request.POST.lists()))
    if request.POST.get("step") == "fill":
        return _fill(request, prompt, typed)
    if request.POST.get("do") != "run":
        return _page(request, prompt, typed)
    try:
        with PLACES.held(request.member.pk, in_thread=True):
            started = start_try(request.actor, prompt, _columns(typed), typed.as_case())
            tried = [Tried(*pair) for pair in zip(started.columns, ask_all(started.lines), strict=True)]
    except (Invalid, Conflict, NotFound, TooManyRequests) as refused:
        return _page(request, prompt, typed, refused=refused)
    return _page(request, prompt, typed, tried=tried)


@page("POST")
def prompt_try_run(request: PageRequest, name: str) -> HttpResponse:
    """The same, told piece by piece as lines of JSON; refusals are problems in JSON."""
    place: object = None
    try:
        require(request.actor, Permission.RUN)
        prompt = find_prompt(request.workspace.pk, name)
        typed = read_try(dict(request.POST.lists()))
        machinery()  # its first use takes a second, which is not the loop's to spend
        place = PLACES.take(request.member.pk, in_thread=False)
        lines = start_try(request.actor, prompt, _columns(typed), typed.as_case()).lines
    except RegistryError as refused:
        PLACES.give_back(place)
        return problem_response(request, refused)
    told = LiveResponse(lambda: tell_all(lines, at_end=lambda: PLACES.give_back(place)), content_type=NDJSON)
    return cast("HttpResponse", told)


@page("POST")
def prompt_try_add(request: PageRequest, name: str) -> HttpResponse:
    """Put what was tried into one's draft of a suite, with the answer as what is expected, once the suite is chosen."""
    require(request.actor, Permission.WRITE)
    prompt = find_prompt(request.workspace.pk, name)
    typed = read_try(dict(request.POST.lists()))
    refused: RegistryError | None = None
    if request.POST.get("suite") or request.POST.get("title"):
        try:
            with transaction.atomic():
                suite = _suite(request, prompt)
                made = add_to_suite(request.actor, suite, _case(request, typed))
        except (Invalid, Conflict, NotFound) as error:
            refused = error
        else:
            messages.success(request, f"The case is in your draft of {suite.title}. Save it to make the version.")
            address = reverse("suite_edit", args=[request.workspace.slug, suite.slug])
            return redirect(f"{address}?page={place_of(made.draft, made.row)}#row-{made.row}")
    context = {
        "prompt": prompt,
        "typed": typed,
        "suites": suites_to_fill(prompt),
        "refused": refused,
        "key": _key(request),
    }
    return render(request, "evals/try_add.html", context, status=refused.status if refused else 200)


def _suite(request: PageRequest, prompt: Prompt) -> Suite:
    """The suite that was chosen; where a title was typed instead, a new one that is asked of the prompt."""
    chosen = request.POST.get("suite", "").replace("\0", "")
    if chosen:
        return find_suite(request.workspace.pk, chosen)
    return make_suite(request, request.POST["title"].replace("\0", "").strip(), prompt=prompt)


def _case(request: PageRequest, typed: TypedTry) -> dict[str, JSON]:
    spec = replace(typed.as_case(), key=_key(request))
    given = spec.to_json()
    if typed.expected.strip():
        given["expected"] = value_of(typed.expected)
    return given


def _key(request: PageRequest) -> str:
    return request.POST.get("key", "").strip() or KEY


def _columns(typed: TypedTry) -> list[Column]:
    return [Column(one.number, *one.asked) for one in typed.chosen]


def _start(request: PageRequest, prompt: Prompt) -> TypedTry:
    """What the address asks for; else the draft beside the newest version, or the newest version alone."""
    draft = draft_of(prompt, request.member.pk)
    newest = str(prompt.last_number) if prompt.last_number else ""
    wanted = [one for one in request.GET.getlist("version") if one.isdecimal()][:MOST_COLUMNS]
    sources = wanted or ([DRAFT, newest] if draft else [newest])
    sample = _sample(prompt, draft.content) if draft else {}
    typed = TypedTry(columns=tuple(TypedColumn(source) for source in sources), given=sample)
    case = find_case(request.workspace.pk, request.GET.get("case", ""))
    return filled(case.to_json(), typed, request.GET["case"]) if case else typed


def _sample(prompt: Prompt, text: str) -> dict[str, JSON]:
    """The sample values of a draft; none where they are half typed."""
    try:
        return from_draft(prompt.kind, text).values()
    except Invalid:
        return {}


def _fill(request: PageRequest, prompt: Prompt, typed: TypedTry) -> HttpResponse:
    case = find_case(request.workspace.pk, typed.case)
    if case is None:
        detail = "There is no case with that name: write it as suite/key." if typed.case else "Choose a case first."
        return _page(request, prompt, typed, refused=NotFound("case.not_found", detail))
    return _page(request, prompt, filled(case.to_json(), typed, typed.case))


def _page(
    request: PageRequest,
    prompt: Prompt,
    typed: TypedTry,
    *,
    tried: Sequence[Tried] = (),
    refused: RegistryError | None = None,
) -> HttpResponse:
    contents, troubles = _contents(request, prompt, typed)
    placeholders = [
        turn.name for one in contents for turn in one.source.messages or () if isinstance(turn, Placeholder)
    ]
    shown_columns = (*typed.columns, *[TypedColumn()] * MOST_COLUMNS)[:MOST_COLUMNS]
    context = {
        "prompt": prompt,
        "typed": typed,
        "values": asked_for(typed, [one.variables or {} for one in contents], placeholders),
        "columns": [
            {"typed": column, "tried": tried[index] if index < len(tried) else None}
            for index, column in enumerate(shown_columns)
        ],
        "versions": numbers(prompt)[:VERSIONS_OFFERED],
        "has_draft": draft_of(prompt, request.member.pk) is not None,
        "models": model_choices(request.workspace.pk),
        "case_names": case_names(prompt),
        "refused": refused,
        "troubles": troubles,
        "may_run": allows(request.actor, Permission.RUN),
        "may_administer": allows(request.actor, Permission.ADMINISTER),
    }
    response = render(request, "evals/try.html", context, status=refused.status if refused else 200)
    if refused and "retry_after" in refused.extra:
        response["Retry-After"] = str(refused.extra["retry_after"])
    return response


def _contents(
    request: PageRequest, prompt: Prompt, typed: TypedTry
) -> tuple[list[VersionContent], list[tuple[str, str]]]:
    """The content of each column that has one, and why others have none."""
    contents: list[VersionContent] = []
    troubles: list[tuple[str, str]] = []
    for column in typed.chosen:
        try:
            contents.append(content_of(request.actor, prompt, column.number)[1])
        except RegistryError as refused:
            title = "Your draft" if column.source == DRAFT else f"Version {column.source}"
            troubles.append((title, "; ".join(f"{one.place}{one.text}" for one in problems_of(refused))))
    return contents, troubles
