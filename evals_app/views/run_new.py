"""A run started by hand: which prompt, then which version, asked by which suite, against what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlencode

from django import forms
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import redirect, render

from evals_app.actions.runs import start_run
from evals_app.actions.suites import find_suite
from evals_app.budgets import Budget
from evals_app.models import Run, SuiteAttachment, SuiteVersion
from evals_app.queries import Place, places_of
from evals_app.suite_queries import only_one, prompts_to_choose
from evals_app.tryout_queries import model_choices
from evals_app.usage_queries import Pace, last_pace
from prompts_app.actions.environments import find_environment
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from prompts_app.facts import live_deployment
from prompts_app.history_queries import numbers
from prompts_app.models import Prompt, PromptVersion
from registry.core.errors import Invalid
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

VERSIONS_OFFERED = 200
# A choice tells anew how much is asked; without scripts it is told for what is chosen first.
CHOSEN = ("version", "suite", "baseline")
REDRAW = {
    "hx-trigger": "change",
    "hx-include": ", ".join(f"#id_{name}" for name in CHOSEN),
    "hx-target": "#questions",
    "hx-select": "#questions",
    "hx-swap": "outerMorph",
}


@dataclass(frozen=True)
class Questions:
    """What a run asks the model: each case so many times, of one version or two; `pace`, what that takes and costs if it
    goes as the last such run did."""

    cases: int
    repeats: int
    arms: int
    pace: Pace | None = None

    @property
    def total(self) -> int:
        """How many questions that is."""
        return self.cases * self.repeats * self.arms


class RunForm(PageForm):
    """What is asked of what."""

    version = forms.TypedChoiceField(coerce=int)
    suite = forms.ChoiceField()
    baseline = forms.ChoiceField(
        required=False, label="Compared with", help_text="Both are asked every case, side by side."
    )
    again = forms.BooleanField(
        required=False,
        label="Ask again",
        help_text="Also where the same was asked lately: the new answers count together with those, as often as the suite's looks allow.",
    )

    budget_cost = forms.DecimalField(
        label="Dollars at most", required=False, min_value=Decimal("0.000001"), max_value=1_000_000,
        help_text="It stops before more would be spent. Both left empty: the workspace's default, if any.",
    )  # fmt: skip
    budget_requests = forms.IntegerField(
        label="Requests at most", required=False, min_value=1, max_value=2_000_000_000,
        help_text="Every try counts, judges' too. Both left empty: the workspace's default, if any.",
    )  # fmt: skip

    def __init__(self, prompt: Prompt, places: Sequence[Place], *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._prompt = prompt
        versions = [(str(n), f"v{n}" + (f" · {said[:60]}" if said else "")) for n, said, _ in numbers(prompt)]
        offered = versions[:VERSIONS_OFFERED]
        self._choose("version", offered)
        self._suites = {suite.slug: suite for suite in offered_suites(prompt)}
        self._choose("suite", [suite.choice for suite in self._suites.values()])
        live = [
            (f"live:{place.environment.name}", f"{place.environment.label}: v{place.live.number}")
            for place in places
            if place.live
        ]
        numbered = [(f"version:{number}", label) for number, label in offered]
        self._choose("baseline", [("", "Nothing"), ("What is live in", live), ("A version", numbered)])
        for name in CHOSEN:
            self.fields[name].widget.attrs |= {**REDRAW, "hx-get": f"?{urlencode({'prompt': prompt.name})}"}

    @property
    def questions(self) -> Questions | None:
        """What the run asks as the form stands; None where its suite is none that can be chosen."""
        suite = self._suites.get(str(self["suite"].value() or next(iter(self._suites), "")))
        if suite is None:
            return None
        asks = Questions(suite.cases, suite.repeats, arms=2 if self["baseline"].value() else 1)
        pace = last_pace(self._prompt, suite.slug)
        return replace(asks, pace=pace.of(asks.total)) if pace else asks

    def start(self, request: PageRequest, prompt: Prompt) -> Run:
        """Start the run that the form describes."""
        given = self.cleaned_data
        try:
            return start_run(
                request.actor,
                find_version(prompt, given["version"]),
                find_suite(request.workspace.pk, given["suite"]),
                baseline=_baseline(prompt, given["baseline"]),
                again=given["again"],
                budget=Budget(given["budget_cost"], given["budget_requests"]),
            )
        except Invalid as refused:
            errors = [replace(error, field=error.field.replace(".", "_")) for error in refused.errors]
            raise Invalid(refused.code, refused.detail, errors=errors) from None

    def _choose(self, name: str, choices: Sequence[tuple[str, str | Sequence[tuple[str, str]]]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [choice for choice in choices if choice[1]]


@page("GET", "HEAD", "POST")
def run_new(request: PageRequest) -> HttpResponse:
    """The form that starts a run; where more than one prompt can be meant it asks for that first."""
    require(request.actor, Permission.RUN)
    choice = choose_prompt(request)
    if not choice.name:
        return render(request, "evals/run_new.html", {"choice": choice})
    prompt = find_prompt(request.workspace.pk, choice.name)
    places = places_of(prompt)
    form = RunForm(prompt, places, request.POST or None, initial=_initial(request, prompt, places))
    if request.method == "POST":
        started = attempt(form, lambda: form.start(request, prompt))
        if started:
            return redirect("run", request.workspace.slug, started.pk)
    context = {
        "prompt": prompt,
        "form": form,
        "models": model_choices(request.workspace.pk),
        "may_administer": allows(request.actor, Permission.ADMINISTER),
    }
    return render(request, "evals/run_new.html", context, status=status_of(form))


@dataclass(frozen=True)
class PromptChoice:
    """Which prompt a form is about: `name`, or empty where somebody has to choose among `names`; `likely` is filled in."""

    name: str
    suite: str
    names: Sequence[str] = ()
    likely: str = ""


def choose_prompt(request: PageRequest) -> PromptChoice:
    """The prompt of the address; without one, the only one that can be meant. An empty one there asks in any case."""
    name, suite = request.GET.get("prompt", ""), request.GET.get("suite", "")
    if name:
        return PromptChoice(name, suite)
    names = prompts_to_choose(request.workspace.pk)
    likely = only_one(names) or _only_prompt(request.workspace.pk, suite)
    return PromptChoice("" if "prompt" in request.GET else likely, suite, names, likely)


@dataclass(frozen=True)
class Offered:
    """A suite that can be chosen, with how many cases its newest version has and how often it asks each."""

    slug: str
    title: str
    cases: int
    repeats: int

    @property
    def choice(self) -> tuple[str, str]:
        """As a form offers it."""
        return self.slug, f"{self.title} ({self.slug})"


def offered_suites(prompt: Prompt) -> list[Offered]:
    """The workspace's suites that have a version, those attached to the prompt first; two queries."""
    attached = set(SuiteAttachment.objects.filter(prompt=prompt).values_list("suite__slug", flat=True))
    newest = SuiteVersion.objects.filter(suite__workspace=prompt.workspace_id, number=F("suite__last_number"))
    rows = newest.values_list("suite__slug", "suite__title", "case_count", "repeats")
    return sorted((Offered(*row) for row in rows), key=lambda one: (one.slug not in attached, one.slug))


def _only_prompt(workspace_id: int, slug: str) -> str:
    """The name of the one prompt that a suite is attached to; empty where there are none or more."""
    rows = SuiteAttachment.objects.filter(suite__workspace=workspace_id, suite__slug=slug)
    return only_one(list(rows.filter(prompt__archived_at=None).values_list("prompt__name", flat=True)[:2]))


def _initial(request: PageRequest, prompt: Prompt, places: Sequence[Place]) -> dict[str, object]:
    """The newest version against what is live highest up, unless that is the very same."""
    chosen = {name: request.GET[name] for name in ("version", "suite", "baseline") if name in request.GET}
    version = str(chosen.get("version", prompt.last_number))
    live = [(place.environment.name, str(place.live.number)) for place in places if place.live]
    baseline = f"live:{live[-1][0]}" if live and live[-1][1] != version else ""
    return {"version": version, "baseline": baseline, **chosen}


def _baseline(prompt: Prompt, chosen: str) -> PromptVersion | None:
    kind, _, value = chosen.partition(":")
    if kind == "version":
        return find_version(prompt, int(value))
    if kind == "live":
        live = live_deployment(prompt, find_environment(prompt.workspace_id, value))
        return live.version if live else None
    return None
