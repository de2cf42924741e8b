"""Environments: what was deployed in them, the way back, their rules, and times when nothing moves."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from prompts_app.actions import environments as actions
from prompts_app.actions.environments import find_environment
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.rollback import clear_quarantine, roll_back, withdraw
from prompts_app.detours import stay_on_detour
from prompts_app.diffing import compare
from prompts_app.environment_queries import LIVE_SHOWN, deployments, live_now, overview, way_back
from prompts_app.facts import current_policy
from prompts_app.models import Environment, Freeze, Prompt
from prompts_app.policy import Policy
from prompts_app.usage_queries import behind, fetchers
from prompts_app.views.drawing import draw
from registry.core.errors import RegistryError
from registry.core.pages import PageForm, attempt, page, read_moment, status_of
from registry.core.people_queries import who_clears, who_goes_back
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest


class PolicyForm(PageForm):
    """The rules of an environment."""

    protected = forms.BooleanField(required=False, help_text="Moved only by people, never by a key.")
    auto_apply = forms.BooleanField(
        required=False,
        label="Promote new versions at once",
        help_text="A version that nothing blocks is live here as soon as it is saved.",
    )
    approvals = forms.IntegerField(
        min_value=0,
        max_value=20,
        label="Approvals needed",
        help_text="With 0, as for one person alone, nobody but the author need have read what goes live.",
    )
    require_predecessor = forms.BooleanField(
        required=False, label="Live in the stage below first", help_text="And not rolled back there since."
    )
    soak_minutes = forms.IntegerField(min_value=0, label="Minutes it was live there")
    require_suites = forms.BooleanField(required=False, label="Required suites must have passed")
    min_suites = forms.IntegerField(min_value=0, max_value=100, label="Required suites a prompt must have")
    external_checks = forms.CharField(
        required=False,
        label="Outside checks required",
        help_text="Names with commas between them, such as external/lint.",
    )
    max_age_days = forms.IntegerField(min_value=1, max_value=3650, label="Days for which what a suite found counts")
    allow_override = forms.BooleanField(
        required=False, label="May be overridden", help_text="By people with that grant, with a reason."
    )

    def change(self, request: PageRequest, environment: Environment) -> Environment:
        """Put the rules into force."""
        names = [name.strip() for name in self.cleaned_data["external_checks"].split(",") if name.strip()]
        policy = {**self.cleaned_data, "external_checks": names}
        return actions.change_environment(request.actor, environment, policy=policy)


class FreezeForm(PageForm):
    """A time during which nothing is promoted here; times without a zone are UTC."""

    starts_at = forms.CharField(
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "data-moment": "starts_exact"})
    )
    ends_at = forms.CharField(widget=forms.DateTimeInput(attrs={"type": "datetime-local", "data-moment": "ends_exact"}))
    reason = forms.CharField(max_length=500)
    starts_exact = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"id": "starts_exact"}))
    ends_exact = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"id": "ends_exact"}))

    def clean(self) -> dict[str, object]:
        """The exact times where the page's script gave them, else the typed ones."""
        given = super().clean() or self.cleaned_data
        for name, exact in (("starts_at", "starts_exact"), ("ends_at", "ends_exact")):
            moment = read_moment(given.get(exact) or given.get(name, ""))
            if moment is None:
                self.add_error(name, "Choose a date and a time.")
            given[name] = moment
        return given

    def freeze(self, request: PageRequest, environment: Environment) -> Freeze:
        """Freeze the environment for that time."""
        given = self.cleaned_data
        return actions.freeze_environment(
            request.actor, environment, starts_at=given["starts_at"], ends_at=given["ends_at"], reason=given["reason"]
        )


class RollbackForm(PageForm):
    """Why one goes back, and what has to be known for it."""

    reason = forms.CharField(
        strip=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="It is kept with the deployment."
    )
    to_deployment = forms.IntegerField(required=False, widget=forms.HiddenInput)
    quarantine = forms.BooleanField(
        required=False,
        label="Quarantine what is live now",
        help_text="It cannot be promoted here again until a releaser clears it. "
        "Leave it off where the prompt was not the cause.",
    )
    acknowledge_breaking = forms.BooleanField(required=False, label="Services know that the contract changes")
    clear_quarantine = forms.BooleanField(required=False, label="Clear the quarantine of the version I go back to")


class WithdrawForm(PageForm):
    """Why a prompt is taken out of an environment."""

    reason = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 2}))
    quarantine = forms.BooleanField(
        required=False,
        label="Quarantine what is live now",
        help_text="It cannot be promoted here again until a releaser clears it.",
    )


@page()
def environment_page(request: PageRequest, environment: str) -> HttpResponse:
    """What is live and since when, deployments in time, the rules, freezes and quarantines."""
    require(request.actor, Permission.READ)
    return _environment_page(request, find_environment(request.workspace.pk, environment))


@page("POST")
def environment_policy(request: PageRequest, environment: str) -> HttpResponse:
    """Other rules; open promotions are judged by the stricter of then and now."""
    row = find_environment(request.workspace.pk, environment)
    form = PolicyForm(request.POST)
    if not attempt(form, lambda: form.change(request, row)):
        return _environment_page(request, row, policy_form_given=form)
    messages.success(request, f"The rules of {row.label} are changed.")
    return stay_on_detour(request, "environment", request.workspace.slug, environment)


@page("POST")
def environment_freeze(request: PageRequest, environment: str) -> HttpResponse:
    """Nothing is promoted here for a while; going back stays possible."""
    row = find_environment(request.workspace.pk, environment)
    form = FreezeForm(request.POST)
    if not attempt(form, lambda: form.freeze(request, row)):
        return _environment_page(request, row, freeze_form=form)
    messages.success(request, f"{row.label} is frozen for that time.")
    return stay_on_detour(request, "environment", request.workspace.slug, environment)


@page("POST")
def freeze_end(request: PageRequest, environment: str, pk: int) -> HttpResponse:
    """Lift a freeze before its end."""
    freeze = actions.find_freeze(find_environment(request.workspace.pk, environment), pk)
    actions.end_freeze(request.actor, freeze)
    messages.success(request, "The freeze is lifted.")
    return stay_on_detour(request, "environment", request.workspace.slug, environment)


@page("GET", "HEAD", "POST")
def rollback_page(request: PageRequest, environment: str, name: str) -> HttpResponse:
    """Where one can go back to, and what it changes; posting goes."""
    prompt, row = find_prompt(request.workspace.pk, name), find_environment(request.workspace.pk, environment)
    require(request.actor, Permission.ROLL_BACK)
    if request.method != "POST":
        return _rollback_page(request, prompt, row)
    form = RollbackForm(request.POST)
    moved = attempt(form, lambda: roll_back(request.actor, prompt, row, **form.cleaned_data))
    if not moved:
        return _rollback_page(request, prompt, row, form=form)
    number = moved.deployment.version.number if moved.deployment.version else ""
    kept_out = ", and what was live is quarantined there" if form.cleaned_data["quarantine"] else ""
    messages.success(request, f"Version {number} is live in {row.label} again{kept_out}.")
    return redirect("prompt", request.workspace.slug, prompt.name)


@page("POST")
def withdraw_page(request: PageRequest, environment: str, name: str) -> HttpResponse:
    """Take a prompt out of an environment."""
    prompt, row = find_prompt(request.workspace.pk, name), find_environment(request.workspace.pk, environment)
    form = WithdrawForm(request.POST)
    if not attempt(form, lambda: withdraw(request.actor, prompt, row, **form.cleaned_data)):
        return _rollback_page(request, prompt, row, withdraw_form=form)
    messages.success(request, f"{prompt.name} is not live in {row.label} any more.")
    return redirect("prompt", request.workspace.slug, prompt.name)


@page("POST")
def quarantine_clear(request: PageRequest, environment: str, name: str) -> HttpResponse:
    """Let content that was rolled back be promoted here again."""
    prompt, row = find_prompt(request.workspace.pk, name), find_environment(request.workspace.pk, environment)
    digest, reason = request.POST.get("digest", ""), request.POST.get("reason", "")
    try:
        clear_quarantine(request.actor, prompt, row, digest=digest, reason=reason)
    except RegistryError as refused:
        return _environment_page(request, row, refused=refused)
    messages.success(request, "The quarantine is cleared.")
    return stay_on_detour(request, "environment", request.workspace.slug, environment)


def policy_form(policy: Policy) -> PolicyForm:
    """The form that stands for these rules."""
    return PolicyForm(initial={**policy.to_json(), "external_checks": ", ".join(policy.external_checks)})


def _environment_page(
    request: PageRequest,
    environment: Environment,
    *,
    policy_form_given: PolicyForm | None = None,
    freeze_form: FreezeForm | None = None,
    refused: RegistryError | None = None,
) -> HttpResponse:
    found = overview(environment)
    prompt = request.GET.get("prompt", "")
    live = live_now(environment, prompt=prompt)
    forms_given = [form for form in (policy_form_given, freeze_form) if form]
    context = {
        "overview": found,
        "environment": environment,
        "policy": found.policy.load(),
        "live": live[:LIVE_SHOWN],
        "has_more_live": len(live) > LIVE_SHOWN,
        "deployments": deployments(environment, prompt=prompt, page=request.GET.get("page")),
        "prompt_filter": prompt,
        "policy_form": policy_form_given or policy_form(found.policy.load()),
        "freeze_form": freeze_form or FreezeForm(),
        "refused": refused,
        "behind": behind(environment=environment),
        "fetchers": fetchers(environment),
        "may_administer": allows(request.actor, Permission.ADMINISTER),
        "may_roll_back": allows(request.actor, Permission.ROLL_BACK),
        "who_goes_back": who_goes_back(request.actor) if live else "",
        "who_clears": who_clears(request.actor) if found.quarantines else "",
    }
    status = refused.status if refused else max([200, *map(status_of, forms_given)])
    return render(request, "prompts/environment.html", context, status=status)


def _rollback_page(
    request: PageRequest,
    prompt: Prompt,
    environment: Environment,
    *,
    form: RollbackForm | None = None,
    withdraw_form: WithdrawForm | None = None,
) -> HttpResponse:
    to = request.POST.get("to_deployment") or request.GET.get("to", "")
    way = way_back(prompt, environment, to=int(to) if to.isdecimal() else None)
    old = way.live.version.load() if way.live and way.live.version else None
    is_protected = current_policy(environment).load().protected
    # What fails where services live is kept out; elsewhere one goes back and forth to find out.
    initial = {"to_deployment": way.target.pk if way.target else None, "quarantine": is_protected}
    context = {
        "prompt": prompt,
        "environment": environment,
        "way": way,
        "drawn": draw(compare(old, way.version.load())) if way.version else None,
        "form": form or RollbackForm(initial=initial),
        "withdraw_form": withdraw_form or WithdrawForm(),
        "may_withdraw": allows(request.actor, Permission.WITHDRAW, protected=is_protected),
    }
    given = form or withdraw_form
    return render(request, "prompts/rollback.html", context, status=status_of(given) if given else 200)
