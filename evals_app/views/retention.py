"""How long answers and inputs are kept, and texts taken away: whatever holds a text, one case, one answer."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from evals_app.actions.labels import find_result
from evals_app.actions.purging import MOST_REASON, Purged, checked_forms, erase_text, purge_answer, purge_case
from evals_app.actions.retention import set_retention
from evals_app.actions.runs import find_run
from evals_app.models import Retention, Run
from evals_app.purge_queries import Found, find_text, numbered_case, purges_of, retention_of
from evals_app.views.runs import RefusedPurge, case_page
from registry.core.errors import Conflict, Invalid
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.texts import LONGEST
from registry.core.web import PageRequest

SHOWN = 20
# Two forms of the page have a field `text`.
ERASE_ID = "id_erase_%s"


class RetentionForm(PageForm):
    """Days, or nothing for ever."""

    answers_days = forms.IntegerField(
        label="Days that answers are kept", required=False, min_value=Retention.LEAST_DAYS, max_value=Retention.MOST_DAYS,
        help_text="Counted from the end of the run. Scores, verdicts, tokens and cost stay.",
    )  # fmt: skip
    inputs_days = forms.IntegerField(
        label="Days that inputs are kept", required=False, min_value=Retention.LEAST_DAYS, max_value=Retention.MOST_DAYS,
        help_text="Only of cases that the newest version of their suite no longer has, counted from the end of the last run that used them.",
    )  # fmt: skip

    def save(self, request: PageRequest) -> Retention:
        """Set them."""
        return set_retention(request.actor, **self.cleaned_data)


class SearchForm(PageForm):
    """A text to look for."""

    text = forms.CharField(
        max_length=LONGEST, strip=False, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Such as a name or an e-mail address, in upper or lower case. What you search for is not logged.",
    )  # fmt: skip


class EraseForm(SearchForm):
    """The same, to take it away."""

    text = forms.CharField(max_length=LONGEST, strip=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        required=False, max_length=MOST_REASON, help_text="It is kept for good, so name nobody in it."
    )
    also_needed = forms.BooleanField(
        required=False,
        label="Also erase what gates still rely on",
        help_text="Suites get a new version without it, and checks that relied on it no longer count.",
    )

    def erase(self, request: PageRequest) -> Purged:
        """Take it away."""
        return erase_text(request.actor, **self.cleaned_data)


@page("GET", "HEAD", "POST")
def retention_page(request: PageRequest) -> HttpResponse:
    """Retention times, and what was purged; POST sets the times."""
    require(request.actor, Permission.ADMINISTER)
    form = RetentionForm(request.POST or None, initial=_days(request))
    saved = attempt(form, lambda: form.save(request)) if request.method == "POST" else None
    if saved is not None:
        messages.success(request, "The retention times are set. The next night acts on them.")
        return redirect("settings_retention", request.workspace.slug)
    return _page(request, form=form)


@page("POST")
def retention_search(request: PageRequest) -> HttpResponse:
    """What holds a text, and a form to take it away."""
    require(request.actor, Permission.ADMINISTER)
    search = SearchForm(request.POST)
    found = attempt(search, lambda: find_text(request.workspace.pk, checked_forms(search.cleaned_data["text"])))
    erase = EraseForm(initial=search.cleaned_data, auto_id=ERASE_ID) if found else None
    return _page(request, search=search, found=found, erase=erase)


@page("POST")
def retention_erase(request: PageRequest) -> HttpResponse:
    """Take away whatever holds a text."""
    require(request.actor, Permission.ADMINISTER)
    erase = EraseForm(request.POST, auto_id=ERASE_ID)
    purged = attempt(erase, lambda: erase.erase(request))
    if purged is None:
        return _page(request, search=SearchForm(initial={"text": erase.data.get("text", "")}), erase=erase)
    messages.success(request, _told(purged))
    return redirect("settings_retention", request.workspace.slug)


@page("POST")
def run_case_purge(request: PageRequest, pk: int, number: int) -> HttpResponse:
    """Take away a case with all answers to it, or one answer; then the case again."""
    require(request.actor, Permission.ADMINISTER)
    run = find_run(request.workspace.pk, pk)
    try:
        purged = _purge_of(request, run, number)
    except (Conflict, Invalid) as refused:
        detail = refused.errors[0].message if refused.errors else refused.detail
        typed = request.POST.get("reason", "")
        return case_page(request, run, number, refused_purge=RefusedPurge(detail, typed, refused.status))
    messages.success(request, _told(purged))
    return redirect("run_case", request.workspace.slug, pk, number)


def _purge_of(request: PageRequest, run: Run, number: int) -> Purged:
    given, reason = request.POST.get("result", ""), request.POST.get("reason", "").replace("\0", "")
    also_needed = request.POST.get("also_needed") == "on"
    if given.isdecimal() and len(given) < 18:
        result = find_result(run, int(given))
        return purge_answer(request.actor, result, reason=reason, also_needed=also_needed)
    return purge_case(request.actor, numbered_case(run, number), reason=reason, also_needed=also_needed)


def _told(purged: Purged) -> str:
    rows = ", ".join(f"{name}: {count:,}" for name, count in purged.gone.items())
    suites = ", ".join(suite.slug for suite in purged.suites)
    return f"Erased. {rows}." + (f" New versions without it: {suites}." if suites else "")


def _days(request: PageRequest) -> dict[str, int | None]:
    now = retention_of(request.workspace.pk)
    return {"answers_days": now.answers_days, "inputs_days": now.inputs_days}


def _page(
    request: PageRequest,
    *,
    form: RetentionForm | None = None,
    search: SearchForm | None = None,
    found: Found | None = None,
    erase: EraseForm | None = None,
) -> HttpResponse:
    shown = [one for one in (form, search, erase) if one is not None]
    context = {
        "form": form or RetentionForm(initial=_days(request)),
        "search": search or SearchForm(),
        "found": found,
        "erase": erase,
        "purges": purges_of(request.workspace.pk)[:SHOWN],
    }
    return render(request, "evals/retention.html", context, status=max(map(status_of, shown), default=200))
