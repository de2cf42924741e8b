"""Versions of a prompt: their history, one of them, and what lies between two."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from prompts_app.actions.labels import remove_label, set_label
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version, save_draft, yank_version
from prompts_app.diffing import compare
from prompts_app.editing import from_content
from prompts_app.evaluation import as_of_then, titles_of
from prompts_app.facts import current_policies
from prompts_app.history_queries import Entry, Timeline, checks_of, entry, live_numbers, numbers, timeline
from prompts_app.include_queries import included_in
from prompts_app.models import Environment, Prompt, PromptVersion, VersionCheck
from prompts_app.observation_queries import observed
from prompts_app.promotion_queries import KeptBack, kept_back
from prompts_app.views.drawing import Drawn, draw
from prompts_app.views.prompts import uses_of
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.people_queries import who_clears
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

LABELS_TOLD = 2  # environments that a choice names before it counts them

type Live = tuple[Environment, int]


class ReasonForm(PageForm):
    """Why something is done."""

    reason = forms.CharField(strip=False, widget=forms.Textarea(attrs={"rows": 2}))


class LabelForm(PageForm):
    """A word that shall point at a version."""

    label = forms.CharField(max_length=63, strip=True, help_text="1 to 63 of a-z, 0-9, _, . and -.")


@page()
def version_list(request: PageRequest, name: str) -> HttpResponse:
    """The history, newest first."""
    require(request.actor, Permission.READ)
    prompt = find_prompt(request.workspace.pk, name)
    found = timeline(prompt, page=request.GET.get("page"))
    return render(
        request, "prompts/versions.html", {"prompt": prompt, "timeline": found, "sides": _chosen(prompt, found)}
    )


@page()
def version_page(request: PageRequest, name: str, number: int) -> HttpResponse:
    """One version: content, checks, where it was and is live."""
    require(request.actor, Permission.READ)
    version = find_version(find_prompt(request.workspace.pk, name), number)
    return _version_page(request, version, ReasonForm())


@page("POST")
def version_yank(request: PageRequest, name: str, number: int) -> HttpResponse:
    """Withdraw a version for good."""
    version = find_version(find_prompt(request.workspace.pk, name), number)
    form = ReasonForm(request.POST)
    if not attempt(form, lambda: yank_version(request.actor, version, reason=form.cleaned_data["reason"])):
        return _version_page(request, version, form)
    messages.success(request, f"Version {number} is yanked: it can never go live again.")
    return redirect("version", request.workspace.slug, name, number)


@page("POST")
def version_label(request: PageRequest, name: str, number: int) -> HttpResponse:
    """Let a free label point here, wherever it pointed before, or take it away."""
    version = find_version(find_prompt(request.workspace.pk, name), number)
    if gone := request.POST.get("remove", ""):
        remove_label(request.actor, version, gone)
        messages.success(request, f"The label {gone} is taken away.")
        return redirect("version", request.workspace.slug, name, number)
    form = LabelForm(request.POST)
    label = attempt(form, lambda: set_label(request.actor, version, form.cleaned_data["label"]))
    if label is None:
        return _version_page(request, version, ReasonForm(), label_form=form)
    messages.success(request, f"The label {label.name} points at version {number} now.")
    return redirect("version", request.workspace.slug, name, number)


@page("POST")
def version_restore(request: PageRequest, name: str, number: int) -> HttpResponse:
    """Start a draft from an earlier version."""
    prompt = find_prompt(request.workspace.pk, name)
    typed = from_content(prompt.kind, find_version(prompt, number).editable(), based_on=prompt.last_number)
    save_draft(request.actor, prompt, typed.to_json(), message=f"Restore version {number}", based_on=typed.based_on)
    messages.success(request, f"Your draft is version {number} now: look at it, then save it as a new version.")
    return redirect("prompt_edit", request.workspace.slug, prompt.name)


@page()
def compare_page(request: PageRequest, name: str) -> HttpResponse:
    """What lies between two versions; by default what the newest would change where changes are protected.

    Its address names both, so that it says the same once there are others.
    """
    require(request.actor, Permission.READ)
    prompt = find_prompt(request.workspace.pk, name)
    live = live_numbers(prompt)
    context: dict[str, object] = {"prompt": prompt, "choices": _choices(prompt, live)}
    if prompt.last_number:
        new, old = _sides(request, prompt, live)
        if not {"from", "to"} <= request.GET.keys():
            sides = {"from": old.number, "to": new.number}
            return redirect(f"{request.path}?{urlencode({**request.GET.dict(), **sides})}")
        ahead = [(environment, number) for environment, number in live if number != prompt.last_number]
        context |= {"old": old, "new": new, "ahead": ahead, "drawn": _drawn(request, old, new)}
    return render(request, "prompts/compare.html", context)


def _drawn(request: PageRequest, old: PromptVersion, new: PromptVersion) -> Drawn:
    return draw(compare(old.load(), new.load()), side_by_side=request.GET.get("view") == "split")


def _sides(request: PageRequest, prompt: Prompt, live: Sequence[Live]) -> tuple[PromptVersion, PromptVersion]:
    new = _number(request.GET.get("to"), prompt.last_number)
    before = max(new - 1, 1)
    old = _number(request.GET.get("from"), before if "to" in request.GET else _protected(prompt, live) or before)
    return find_version(prompt, new), find_version(prompt, old)


def _chosen(prompt: Prompt, found: Timeline) -> tuple[int, int] | None:
    """The two versions of a page of the history that are chosen to begin with, as Compare does; its first two where those
    are on another page, None where it has but one."""
    shown = [one.version.number for one in found.entries]
    live = [(environment, one.version.number) for one in found.entries for environment in one.live_in]
    live.sort(key=lambda one: one[0].rank)
    if shown and shown[0] == prompt.last_number and (number := _protected(prompt, live)):
        return number, shown[0]
    return (shown[1], shown[0]) if len(shown) > 1 else None


def _protected(prompt: Prompt, live: Sequence[Live]) -> int:
    """The version that is live in the last protected environment, 0 where it is the newest or there is none."""
    policies = current_policies(environment for environment, _ in live)
    numbers = [number for environment, number in live if policies[environment.pk].load().protected]
    return numbers[-1] if numbers and numbers[-1] != prompt.last_number else 0


def _choices(prompt: Prompt, live: Sequence[Live]) -> list[tuple[int, str]]:
    """Every version with what tells it from others in few words: where it is live, else what its author wrote."""
    places: dict[int, list[str]] = {}
    for environment, number in live:
        places.setdefault(number, []).append(environment.label)
    told = {
        number: f"live in {', '.join(labels) if len(labels) <= LABELS_TOLD else f'{len(labels)} environments'}"
        for number, labels in places.items()
    }
    return [(one, told.get(one) or message) for one, message, _ in numbers(prompt)]


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else default


def _is_told(one: KeptBack, told: Entry) -> bool:
    """Whether all that keeps a version back is a quarantine that its page speaks of anyway."""
    is_held = any(held.environment == one.environment for held in told.held)
    return is_held and all(blocker.code == "digest.quarantined" for blocker in one.blockers)


def _said(check: VersionCheck) -> str:
    return as_of_then(check.summary) if getattr(check, "is_replaced", False) else check.summary


def _version_page(
    request: PageRequest, version: PromptVersion, form: ReasonForm, *, label_form: LabelForm | None = None
) -> HttpResponse:
    label_form = label_form or LabelForm()
    checks = list(checks_of(version))
    titles = titles_of(request.workspace.pk, [check.name for check in checks])
    environments = list(Environment.objects.in_workspace(request.workspace.pk))
    numbered = current_policies(environments)
    policies = {environment: numbered[environment.pk] for environment in environments}
    told = entry(version, environments)
    context = {
        "prompt": version.prompt,
        "version": version,
        "entry": told,
        "who_clears": who_clears(request.actor) if told.held else "",
        "content": version.to_json(),
        "checks": [(check, titles.get(check.name, ""), _said(check)) for check in checks],
        "observed": observed(version),
        "uses": uses_of(version.prompt, version, pinned=True),
        "includes": included_in(version),
        "may_administer": allows(request.actor, Permission.ADMINISTER),
        "form": form,
        "label_form": label_form,
        "environments": environments,
        "protected": [one for one, policy in policies.items() if policy.load().protected],
        "kept_back": [one for one in kept_back(version, policies) if not _is_told(one, told)],
        "may_label": allows(request.actor, Permission.CURATE),
    }
    return render(request, "prompts/version.html", context, status=max(status_of(form), status_of(label_form)))
