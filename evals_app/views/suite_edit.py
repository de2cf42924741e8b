"""The editor of a suite: a table of cases a page at a time, kept as a draft with every press, saved as a version."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from evals_app.actions.suite_drafts import (
    add_cases,
    add_variable,
    discard_suite_draft,
    draft_content,
    drop_case,
    drop_variable,
    duplicate_case,
    find_draft,
    keep_page,
    save_suite_draft,
    settle_rows,
)
from evals_app.actions.suites import SavedSuite, attach_suite, find_suite
from evals_app.draft_queries import ROWS_PER_PAGE, EditorSheet, editor_sheet, place_of
from evals_app.metric_rows import metric_sheet
from evals_app.models import Suite, SuiteAttachment, SuiteDraft
from evals_app.outlook_queries import outlooks
from evals_app.queries import newest_suite_version
from evals_app.scorer_kinds import kinds_offered
from evals_app.scorer_rows import ScorerSheet, scorer_sheet
from evals_app.scorer_texts import listed
from evals_app.scorers.spec import PASSES
from evals_app.suite_cells import TypedPage
from evals_app.suite_content import parse_suite
from evals_app.suite_editing import case_mistakes, is_of_case, read_page, rule_mistakes, says_same
from evals_app.suite_trial import asks_models
from evals_app.views.suite_rules import METRIC_FIELDS, METRIC_MODES, MODES, RulesForm
from evals_app.views.suite_try import TryBox, empty_box, tried_box
from prompts_app.detours import came_from, stay_on_detour
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Forbidden, Invalid, RegistryError
from registry.core.pages import page, say
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

MOST_AT_ONCE = 25


@dataclass(frozen=True)
class Place:
    """A mistake in the draft as a list shows it: the row, the page it is on, what to do."""

    row: int
    place: int
    page: int
    text: str


@page("GET", "HEAD", "POST")
def suite_edit(request: PageRequest, suite: str) -> HttpResponse:
    """The editor; every press keeps what is typed, then adds, copies, drops, turns the page, checks or saves."""
    require(request.actor, Permission.WRITE)
    found = find_suite(request.workspace.pk, suite)
    if request.method != "POST":
        return _editor(request, found, request.GET.get("page"))
    step, _, argument = request.POST.get("step", "").partition(":")
    try:
        typed = _keep(request, found)
        if step == "save":
            return _save(request, found)
        if step in {"try", "judge"}:
            return _editor(request, found, request.POST.get("page"), box=_tried(request, found, asks=step == "judge"))
        return _turn(request, found, step, argument, typed)
    except (Invalid, Conflict, Forbidden) as refused:
        return _editor(request, found, request.POST.get("page"), refused)


@page("POST")
def suite_draft(request: PageRequest, suite: str) -> HttpResponse:
    """Keep what is typed on this page; answers with when that was, and what is wrong so far."""
    found = find_suite(request.workspace.pk, suite)
    _keep(request, found)
    if not request.htmx:
        return redirect("suite_edit", request.workspace.slug, found.slug)
    sheet = editor_sheet(found, request.member.pk, page=request.POST.get("page"))
    return render(request, "evals/suite_edit.html#kept", {"suite": found, "sheet": sheet})


@page("POST")
def suite_draft_discard(request: PageRequest, suite: str) -> HttpResponse:
    """Forget the draft; the newest version is what is edited then."""
    found = find_suite(request.workspace.pk, suite)
    discard_suite_draft(request.actor, found)
    messages.success(request, "Your draft is discarded.")
    return redirect("suite_edit", request.workspace.slug, found.slug)


def _keep(request: PageRequest, suite: Suite) -> TypedPage:
    """What was posted, kept where something of it is new: turning pages alone begins no draft."""
    require(request.actor, Permission.WRITE)
    typed = read_page(dict(request.POST.lists()))
    sheet = editor_sheet(suite, request.member.pk, page=request.POST.get("page"))
    rules = typed.rules.items()
    is_new = bool(typed.touched) or any(not says_same(name, sheet.rules.get(name, ""), text) for name, text in rules)
    if is_new:
        keep_page(request.actor, suite, typed)
    return typed


def _turn(request: PageRequest, suite: Suite, step: str, argument: str, typed: TypedPage) -> HttpResponse:
    """One button of the table; the page it leads to shows what became of it."""
    number = int(argument) if argument.isascii() and argument.isdecimal() and len(argument) < 9 else -1
    turned = request.POST.get("page", "1")
    anchor = ""
    if step == "add":
        blank: list[dict[str, JSON]] = [{"variables": {}}] * max(1, min(number, MOST_AT_ONCE))
        total = add_cases(request.actor, suite, blank, based_on=typed.based_on)
        turned, anchor = str((total - 1) // ROWS_PER_PAGE + 1), f"#case-{total - len(blank) + 1}"
    elif step == "copy":
        _begin(request, suite, typed)
        made = duplicate_case(request.actor, suite, number)
        turned, anchor = str(place_of(made.draft, made.row)), f"#row-{made.row}"
    elif step == "drop":
        _begin(request, suite, typed)
        drop_case(request.actor, suite, number)
        anchor = "#cases"
    elif step == "variable":
        names = [name.strip() for name in request.POST.get("variable", "").split(",")]
        for name in reversed([name for name in names if name] or [""]):
            add_variable(request.actor, suite, name, based_on=typed.based_on)
        anchor = "#cases"
    elif step == "forget":
        drop_variable(request.actor, suite, argument)
        anchor = "#cases"
    elif step in {"metric-add", "metric-drop"}:
        anchor = "#judged"
    elif step.startswith("scorer"):
        anchor = _scorer_at(step, number, typed)
    elif step == "mode" and argument in dict(MODES):
        keep_page(request.actor, suite, TypedPage(based_on=typed.based_on, rules={"mode": argument}))
        anchor = "#size-note"
    elif step == "page":
        turned, anchor = argument, "#cases"
    elif step == "check":
        return _check(request, suite, turned)
    return redirect(_address(request, suite, turned, as_json=_is_as_json(request, step)) + anchor)


def _scorer_at(step: str, number: int, typed: TypedPage) -> str:
    """Where on the page the scorer stands that a button was about."""
    count = len(listed(typed.rules.get("scorers", "")) or ())
    moved = {"scorer-add": count - 1, "scorer-kind": number, "scorer-up": number - 1, "scorer-down": number + 1}
    place = moved.get(step, -1)
    return f"#scorer-{min(place, count - 1)}" if place >= 0 else "#scorers"


def _is_as_json(request: PageRequest, step: str = "") -> bool:
    """Whether the scorers are edited as the JSON they are kept as."""
    asked = request.POST if request.method == "POST" else request.GET
    return step == "scorers-json" or (step != "scorers-forms" and asked.get("as") == "json")


def _address(request: PageRequest, suite: Suite, turned: str, *, as_json: bool) -> str:
    query = {"page": turned, "as": "json"} if as_json else {"page": turned}
    known = came_from(request)
    query |= {"back": known.address} if known else {}
    query |= {"require": "on"} if "require" in request.POST else {}
    return f"{reverse('suite_edit', args=[request.workspace.slug, suite.slug])}?{urlencode(query)}"


def _begin(request: PageRequest, suite: Suite, typed: TypedPage) -> None:
    """A draft of the version that was shown, so that its rows can be named."""
    keep_page(request.actor, suite, TypedPage(based_on=typed.based_on))


def _check(request: PageRequest, suite: Suite, turned: str) -> HttpResponse:
    """Everything that saving would look at, without saving."""
    draft = SuiteDraft.objects.filter(suite=suite, member_id=request.member.pk).first()
    newest = newest_suite_version(suite.pk)
    try:
        if draft is None and newest is not None:
            checked = newest.load()
        else:
            settle_rows(request.actor, suite)
            checked = parse_suite(draft_content(draft or keep_page(request.actor, suite, TypedPage())))
    except Invalid as refused:
        return _editor(request, suite, turned, refused, is_check=True)
    number = len(checked.cases)
    messages.success(request, f"{number:,} case{'' if number == 1 else 's'}, no mistake.")
    for one in outlooks(suite.pk, checked):
        messages.info(request, one.sentence if one.metric == PASSES else f"{one.metric}: {one.sentence}")
    return redirect(_address(request, suite, turned, as_json=_is_as_json(request)))


def _save(request: PageRequest, suite: Suite) -> HttpResponse:
    over = request.POST.get("over", "")
    if not SuiteDraft.objects.filter(suite=suite, member_id=request.member.pk).exists() and suite.last_number:
        messages.info(request, f"Nothing to save: version {suite.last_number} says the same.")
        return stay_on_detour(request, "suite", request.workspace.slug, suite.slug)
    keep_page(request.actor, suite, TypedPage())
    settle_rows(request.actor, suite)
    saved = save_suite_draft(request.actor, suite, over=int(over) if over.isdecimal() and len(over) < 9 else None)
    messages.success(request, _said(saved))
    _require(request, suite)
    return stay_on_detour(request, "suite", request.workspace.slug, suite.slug)


def _require(request: PageRequest, suite: Suite) -> None:
    """Require the suite that was just saved where that was asked for; what stands against it does not undo the saving."""
    requirable = _requirable(suite)
    if requirable is None or request.POST.get("require") != requirable.prompt.name:
        return
    try:
        attach_suite(request.actor, suite, requirable.prompt, required=True, run_on=requirable.run_on)
        messages.success(request, f"It is required of {requirable.prompt.name}.")
    except Conflict as refused:
        messages.error(request, f"It is not required of {requirable.prompt.name} yet. {refused.detail}")


def _requirable(suite: Suite) -> SuiteAttachment | None:
    """Where the suite is attached without being required, if that is to one prompt only."""
    rows = SuiteAttachment.objects.filter(suite=suite).select_related("prompt")
    found = list(rows[:2])
    return found[0] if len(found) == 1 and not found[0].is_required else None


def _said(saved: SavedSuite) -> str:
    if not saved.is_new:
        return f"Nothing to save: version {saved.version.number} says the same."
    if saved.version.number == 1:
        return "Version 1 is saved."
    return f"Version {saved.version.number} is saved: earlier evidence is stale from now on."


def _editor(
    request: PageRequest,
    suite: Suite,
    turned: str | None,
    refused: RegistryError | None = None,
    *,
    is_check: bool = False,
    box: TryBox | None = None,
) -> HttpResponse:
    sheet = editor_sheet(suite, request.member.pk, page=turned)
    form = RulesForm(data=dict(sheet.rules))
    places: list[Place] = []
    form.is_valid()
    told = refused.errors if isinstance(refused, Invalid) else ()
    about_metrics = [error for error in told if error.field.startswith("metrics")]
    about_scorers = [error for error in (*told, *(box.mistakes if box else ())) if error.field.startswith("scorers")]
    metrics = metric_sheet(sheet.rules.get("metrics", ""), sheet.scorer_names, about_metrics)
    as_json, said = _is_as_json(request), box.trial.places if box and box.trial else {}
    scorers = scorer_sheet(sheet.rules.get("scorers", ""), about_scorers, said=said)
    if as_json:
        scorers = ScorerSheet(None, left_over=tuple(about_scorers))
    if isinstance(refused, Invalid):
        drawn = {*about_metrics, *about_scorers} - {*metrics.left_over, *scorers.left_over}
        elsewhere = [error for error in told if error not in drawn]
        places, of_rules = _places(request, suite, refused), [error for error in elsewhere if not is_of_case(error)]
        if of_rules or not places:
            say(form, rule_mistakes(Invalid(refused.code, refused.detail, errors=of_rules)))
    context = {
        "suite": suite,
        "sheet": sheet,
        "form": form,
        "metrics": metrics,
        "scorers": scorers,
        "as_json": as_json,
        "kinds": kinds_offered(),
        "metric_modes": METRIC_MODES,
        "metric_fields": METRIC_FIELDS,
        "refused": refused,
        "is_check": is_check,
        "places": places,
        "is_rule_marked": bool({*form.errors} - {NON_FIELD_ERRORS}) or metrics.has_mistakes or scorers.has_mistakes,
        "may_overwrite": refused is not None and refused.code == "suite.moved",
        "next_number": suite.last_number + 1,
        "requirable": None if suite.last_number else _requirable(suite),
        "is_to_require": "require" in (request.POST if request.method == "POST" else request.GET),
        "pages": _pages(sheet),
        "box": box or empty_box(),
        "asks_models": asks_models(sheet.rules) and allows(request.actor, Permission.RUN),
    }
    return render(request, "evals/suite_edit.html", context, status=refused.status if refused and not is_check else 200)


def _tried(request: PageRequest, suite: Suite, *, asks: bool) -> TryBox:
    sheet = editor_sheet(suite, request.member.pk, page=None)
    return tried_box(request, suite, dict(sheet.rules), asks=asks)


def _places(request: PageRequest, suite: Suite, refused: Invalid) -> list[Place]:
    """Where in the draft each mistake stands; the refusal counts its rows from 0."""
    mistakes = case_mistakes(refused)
    if not mistakes:
        return []
    rows = find_draft(request.actor, suite).rows_at([mistake.index for mistake in mistakes])
    return [
        Place(rows[one.index], one.index + 1, one.index // ROWS_PER_PAGE + 1, one.text)
        for one in mistakes
        if one.index in rows
    ]


def _pages(sheet: EditorSheet) -> Sequence[int | str]:
    """Page numbers to choose from, with gaps."""
    return list(sheet.page.paginator.get_elided_page_range(sheet.page.number, on_each_side=2, on_ends=1))
