"""A comparison of models started by hand: which version, asked by which suite, of which models."""

import re
from decimal import Decimal

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render

from evals_app.actions.batches import start_batch
from evals_app.actions.suites import find_suite
from evals_app.batch_configs import MOST, Config, parse_configs
from evals_app.budgets import Budget
from evals_app.models import RunBatch
from evals_app.queries import offers
from evals_app.views.run_new import VERSIONS_OFFERED, choose_prompt, offered_suites
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from prompts_app.history_queries import numbers
from prompts_app.models import Prompt
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

COLUMNS = 4  # offered at first
OWN = "own"


class BatchForm(PageForm):
    """A version, a suite, and up to ten models with their settings."""

    version = forms.TypedChoiceField(coerce=int)
    suite = forms.ChoiceField()
    budget_cost = forms.DecimalField(
        label="Dollars at most, each", required=False, min_value=Decimal("0.000001"), max_value=1_000_000,
        help_text="A model's run stops before more would be spent. Both left empty: the workspace's default, if any.",
    )  # fmt: skip
    budget_requests = forms.IntegerField(
        label="Requests at most, each", required=False, min_value=1, max_value=2_000_000_000,
        help_text="Every try counts, judges' too. Both left empty: the workspace's default, if any.",
    )  # fmt: skip

    def __init__(self, prompt: Prompt, columns: int, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.columns = columns
        versions = [(str(n), f"v{n}" + (f" · {said[:60]}" if said else "")) for n, said, _ in numbers(prompt)]
        groups = [
            (offer.name, [(f"{offer.name}/{model}", model) for model in offer.models])
            for offer in offers(prompt.workspace_id)
        ]
        models = [("", "Not used"), (OWN, "As the version says"), *groups]
        for name, choices in (
            ("version", versions[:VERSIONS_OFFERED]),
            ("suite", [suite.choice for suite in offered_suites(prompt)]),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices
        for place in range(columns):
            self.fields[f"model_{place}"] = forms.ChoiceField(
                label="Model" if place else "Model that the others are compared with",
                choices=models, required=False, widget=forms.Select({"class": "input"}),
            )  # fmt: skip
            self.fields[f"settings_{place}"] = forms.CharField(
                label="Settings", required=False, max_length=4000,
                widget=forms.TextInput({"class": "input mono", "placeholder": '{"temperature": 0.2}'}),
            )  # fmt: skip

    @property
    def rows(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """The fields of each column, drawn together."""
        return [(self[f"model_{place}"], self[f"settings_{place}"]) for place in range(self.columns)]

    @property
    def others(self) -> list[forms.BoundField]:
        """The fields that are no column's."""
        return [self[name] for name in ("version", "suite", "budget_cost", "budget_requests")]

    def start(self, request: PageRequest, prompt: Prompt) -> RunBatch:
        """Start the comparison that the form describes; what is refused of a column is said beside its fields."""
        given = self.cleaned_data
        used = [place for place in range(self.columns) if given[f"model_{place}"] or given[f"settings_{place}"]]
        try:
            configs: list[JSON] = [self._config(place) for place in used]
            return start_batch(
                request.actor,
                find_version(prompt, given["version"]),
                find_suite(request.workspace.pk, given["suite"]),
                configs=parse_configs(configs),
                budget=Budget(given["budget_cost"], given["budget_requests"]),
            )
        except Invalid as refused:
            errors = [FieldError(_field(error.field, used), error.code, error.message) for error in refused.errors]
            raise Invalid(refused.code, refused.detail, errors=errors) from None

    def _config(self, place: int) -> Config:
        text = self.cleaned_data[f"settings_{place}"]
        try:
            found = parse_json(text) if text else {}
        except InvalidJson:
            found = None
        if not isinstance(found, dict):
            message = 'Write the settings as JSON, such as {"temperature": 0.2}.'
            raise Invalid("batch.invalid", message, errors=[FieldError(f"settings_{place}", "json", message)])
        provider, _, model = self.cleaned_data[f"model_{place}"].partition("/")
        return {**found, "provider": provider, "model": model} if model else found


@page("GET", "HEAD", "POST")
def batch_new(request: PageRequest) -> HttpResponse:
    """The form that compares models; where more than one prompt can be meant it asks for that first."""
    require(request.actor, Permission.RUN)
    choice = choose_prompt(request)
    if not choice.name:
        return render(request, "evals/batch_new.html", {"choice": choice})
    prompt = find_prompt(request.workspace.pk, choice.name)
    if request.POST.get("more"):
        form = BatchForm(prompt, MOST, initial=request.POST.dict())
        return render(request, "evals/batch_new.html", {"prompt": prompt, "form": form})
    columns = MOST if f"model_{MOST - 1}" in request.POST else COLUMNS
    form = BatchForm(prompt, columns, request.POST or None, initial=_initial(request, prompt))
    if request.method == "POST":
        started = attempt(form, lambda: form.start(request, prompt))
        if started:
            return redirect("batch", request.workspace.slug, started.pk)
    return render(request, "evals/batch_new.html", {"prompt": prompt, "form": form}, status=status_of(form))


def _initial(request: PageRequest, prompt: Prompt) -> dict[str, object]:
    chosen = {name: request.GET[name] for name in ("version", "suite") if name in request.GET}
    return {"version": prompt.last_number, "model_0": OWN, **chosen}


def _field(path: str, used: list[int]) -> str:
    """The form's field that a path such as `configs[1].model` speaks of."""
    found = re.match(r"configs\[(\d+)\]\.?(.*)", path)
    if not found:
        return {"budget.cost": "budget_cost", "budget.requests": "budget_requests", "configs": ""}.get(path, path)
    is_model = found[2] in {"", "provider", "model"}
    return f"{'model' if is_model else 'settings'}_{used[int(found[1])]}"
