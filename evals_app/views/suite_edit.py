"""The editor of a suite: typed, looked at as a table, saved as a version. Nothing typed is lost on a refusal."""

import json
from collections.abc import Mapping

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from evals_app.actions.suites import SavedSuite, find_suite, save_suite_version
from evals_app.models import Suite, SuiteVersion
from evals_app.queries import newest_suite_version
from evals_app.suite_content import SuiteContent, parse_suite, too_small
from evals_app.suite_editing import Row, as_json_text, as_lines, cases_of, placed, read_lines, with_mistakes
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import Forbidden, Invalid
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

# Longer suites are checked as a whole, and shown as far as this.
MOST_ROWS = 200
MODES = [
    ("non_inferior", "Not worse than what is live"),
    ("superior", "Better than what is live"),
    ("floor", "At least the floor"),
    ("all_pass", "Every case passes (no statistical claim)"),
    ("report_only", "Only report"),
]
CODE = {"class": "mono", "spellcheck": "false", "autocapitalize": "off"}


class JsonField(forms.CharField):
    """JSON as text; empty is `blank`."""

    def __init__(self, *, blank: JSON, rows: int, label: str | None = None, help_text: str = "") -> None:
        self.blank = blank
        widget = forms.Textarea(attrs={**CODE, "rows": rows})
        super().__init__(required=False, strip=False, widget=widget, label=label, help_text=help_text)

    def clean(self, value: object) -> JSON:
        """The value; refuses what is no JSON, with the position."""
        text = str(super().clean(value))
        if not text.strip():
            return self.blank
        try:
            return parse_json(text)
        except InvalidJson as problem:
            raise forms.ValidationError(f"This is not JSON: {problem.message}") from None


class SuiteVersionForm(PageForm):
    """Cases, scorers and rules as they are typed."""

    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)
    cases = forms.CharField(strip=False, widget=forms.Textarea(attrs={**CODE, "rows": 14}))
    scorers = JsonField(blank=[], rows=5)
    mode = forms.ChoiceField(label="It passes when", choices=MODES)
    margin = forms.FloatField(help_text="How much worse is still allowed: 0.05 is five points.")
    first_floor = forms.FloatField(label="Floor", help_text="What a first version, or the mode floor, has to reach.")
    repeats = forms.IntegerField(help_text="Answers asked for by case: 1 to 20. Three tell luck from skill.")
    looks = forms.IntegerField(help_text="How many runs may be pooled before more of them no longer count.")
    alpha = forms.FloatField(label="Risk", help_text="How often a verdict may be wrong: 0.05 is one in twenty.")
    config = JsonField(
        blank=None, rows=3, label="Pinned model", help_text="Model settings for both versions, over their own."
    )
    rows: tuple[Row, ...] = ()
    is_behind = False

    def clean_cases(self) -> str:
        """Reads the lines; refuses those that are no JSON."""
        text = str(self.cleaned_data["cases"])
        self.rows = read_lines(text)
        broken = [f"Line {row.line}: {row.mistakes[0]}" for row in self.rows if row.mistakes]
        if broken:
            raise forms.ValidationError(broken)
        return text

    def content(self) -> dict[str, JSON]:
        """What is typed, as the API takes it."""
        names = ("scorers", "mode", "margin", "first_floor", "repeats", "looks", "alpha", "config")
        return {"cases": cases_of(self.rows), **{name: self.cleaned_data[name] for name in names}}

    def check(self) -> SuiteContent:
        """What is typed, read; raises Invalid with its mistakes at the fields of the form."""
        try:
            return parse_suite(self.content())
        except Invalid as refused:
            raise self._placed(refused) from None

    def save(self, request: PageRequest, suite: Suite) -> SavedSuite:
        """Save it as the next version; raises Invalid likewise, and where somebody else saved meanwhile."""
        self.is_behind = self.cleaned_data["based_on"] not in (None, suite.last_number)
        if self.is_behind:
            raise Invalid(
                "suite.moved",
                f"Version {suite.last_number} was saved while you were editing. Save again to put yours on top of it.",
            )
        try:
            return save_suite_version(request.actor, suite, self.content())
        except Invalid as refused:
            raise self._placed(refused) from None

    def _placed(self, refused: Invalid) -> Invalid:
        found = placed(self.rows, refused)
        self.rows = with_mistakes(self.rows, refused)
        return found


@page("GET", "HEAD", "POST")
def suite_edit(request: PageRequest, suite: str) -> HttpResponse:
    """The editor; posting saves, or only checks what is typed."""
    require(request.actor, Permission.WRITE)
    found = find_suite(request.workspace.pk, suite)
    if request.method != "POST":
        form = SuiteVersionForm(initial=_initial(newest_suite_version(found.pk)))
        return _editor(request, found, form)
    form = SuiteVersionForm(request.POST)
    if "check" in request.POST:
        return _editor(request, found, form, checked=attempt(form, form.check))
    saved = attempt(form, lambda: form.save(request, found), also=(Forbidden,))
    if saved is None:
        return _editor(request, found, form)
    messages.success(request, _said(saved))
    return redirect("suite", request.workspace.slug, found.slug)


def _said(saved: SavedSuite) -> str:
    if not saved.is_new:
        return f"Nothing to save: version {saved.version.number} says the same."
    return f"Version {saved.version.number} is saved: earlier evidence is stale from now on."


def _editor(
    request: PageRequest, suite: Suite, form: SuiteVersionForm, *, checked: SuiteContent | None = None
) -> HttpResponse:
    rows = form.rows if form.is_bound else read_lines(str(form.initial["cases"]))
    context = {
        "suite": suite,
        "form": form,
        "rows": _shown(rows),
        "row_count": len(rows),
        "mistaken": sum(bool(row.mistakes) for row in rows),
        "checked": checked,
        "is_check": "check" in request.POST,
        "warning": too_small(checked) if checked else "",
        "next_number": suite.last_number + 1,
        # Somebody else's save is told of once: the next press goes on top of it.
        "based_on": suite.last_number if form.is_behind else form["based_on"].value(),
    }
    if request.htmx:
        return render(request, "evals/suite_edit.html#table", context)
    return render(request, "evals/suite_edit.html", context, status=status_of(form))


def _shown(rows: tuple[Row, ...]) -> list[Row]:
    """The first rows, and every one with a mistake."""
    return [row for index, row in enumerate(rows) if index < MOST_ROWS or row.mistakes][: 2 * MOST_ROWS]


def _initial(version: SuiteVersion | None) -> Mapping[str, object]:
    if version is None:
        rules: dict[str, JSON] = {**SuiteContent((), ()).rules_to_json(), "scorers": [{"kind": "equals"}]}
        cases = ""
    else:
        rules = json.loads(version.rules)
        cases = as_lines(version.cases.order_by("position").values_list("content", flat=True))
    texts = {name: as_json_text(rules[name]) for name in ("scorers", "config")}
    return {**rules, **texts, "cases": cases, "based_on": version.number if version else 0}
