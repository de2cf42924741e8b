"""One prompt: made, shown, described, archived."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from prompts_app.actions.bumping import bump_includes
from prompts_app.actions.following import follow, is_following, unfollow
from prompts_app.actions.prompts import change_prompt, create_prompt, find_prompt
from prompts_app.actions.versions import newest_version
from prompts_app.evaluation import starts
from prompts_app.history_queries import draft_of, stages
from prompts_app.include_queries import included_in, including
from prompts_app.models import Environment, Kind, LivePointer, Prompt, PromptVersion
from prompts_app.prompt_names import NameHint, name_hint
from prompts_app.snippets import Snippet, Use, snippets, variables_of
from prompts_app.step_queries import Step
from prompts_app.usage_queries import behind
from prompts_app.views.board import steps_of
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.people_queries import who_clears, who_goes_back
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

# While a name is typed, the page says how it reads in addresses.
HINT = {
    "hx-get": "?",
    "hx-trigger": "input changed delay:400ms",
    "hx-target": "#name-hint",
    "hx-select": "#name-hint",
    "hx-swap": "outerMorph",
}


class TagsField(forms.CharField):
    """Tags with commas between them."""

    def clean(self, value: object) -> list[str]:
        """The tags, each once, in the order typed."""
        text = super().clean(value)
        return list(dict.fromkeys(tag for part in text.split(",") if (tag := part.strip())))


class DescriptionForm(PageForm):
    """What may change about a prompt."""

    description = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What it is for, in a sentence or two.",
    )
    tags = TagsField(required=False, help_text="With commas between them.")


class PromptForm(DescriptionForm):
    """A new prompt; name and kind are for good."""

    field_order = ("name", "kind", "description", "tags")
    name = forms.CharField(
        max_length=255,
        strip=False,
        help_text="Services ask for the prompt by this name, and it stays: it cannot be changed later. "
        "Best in small letters with hyphens; slashes make folders, as in support/refund-reply.",
        widget=forms.TextInput(attrs={"autofocus": True, "autocapitalize": "none", "spellcheck": "false", **HINT}),
    )
    kind = forms.ChoiceField(
        choices=[(Kind.CHAT, "Chat: a list of messages"), (Kind.TEXT, "Text: one template")],
        help_text="Chat for a system message, a user message and what follows; text for one piece, asked by itself or included by others.",
    )


@page("GET", "HEAD", "POST")
def prompt_new(request: PageRequest) -> HttpResponse:
    """The form for a new prompt; then its editor. A name that needs care in addresses is asked about before it is taken,
    unless the page has said so already (`keep`); `name` in the address is what is being typed."""
    require(request.actor, Permission.WRITE)
    typed = request.GET.get("name", "")
    given = {**request.POST.dict(), "name": request.POST.get("use", request.POST.get("name", ""))}
    form = PromptForm(given if request.POST else None, initial={"name": typed or request.GET.get("folder", "")})
    asked = _asked_about(request, form) if request.method == "POST" else None
    if request.method == "POST" and asked is None:
        made = attempt(form, lambda: create_prompt(request.actor, **form.cleaned_data))
        if made:
            return redirect("prompt_edit", request.workspace.slug, made.name)
    context = {"form": form, "hint": asked or name_hint(request.workspace.pk, typed), "is_asked": asked is not None}
    return render(request, "prompts/new.html", context, status=422 if asked else status_of(form))


def _next_step(request: PageRequest, prompt: Prompt) -> Step | None:
    """The workspace's next step, where it is about this prompt, the reader can take it and has not hidden it."""
    steps = None if "next" in request.member.hidden else steps_of(request)
    return steps.now if steps and steps.prompt == prompt.name and steps.now.links else None


def _asked_about(request: PageRequest, form: PromptForm) -> NameHint | None:
    """The name that is about to be taken, where the page has not said what it means; None where it has, or it is plain."""
    known = {*request.POST.getlist("keep"), request.POST.get("use")}
    if not form.is_valid() or form.cleaned_data["name"] in known:
        return None
    form.fields["name"].widget.attrs["aria-describedby"] = "id_name_helptext name-hint"
    return name_hint(request.workspace.pk, form.cleaned_data["name"])


@page()
def prompt_page(request: PageRequest, name: str) -> HttpResponse:
    """What is live where, what the newest version says, what is on its way."""
    require(request.actor, Permission.READ)
    return _prompt_page(request, find_prompt(request.workspace.pk, name))


@page("POST")
def prompt_change(request: PageRequest, name: str) -> HttpResponse:
    """Another description, other tags."""
    prompt = find_prompt(request.workspace.pk, name)
    form = DescriptionForm(request.POST)
    if not attempt(form, lambda: change_prompt(request.actor, prompt, **form.cleaned_data)):
        return _prompt_page(request, prompt, form)
    messages.success(request, "Description and tags are changed.")
    return redirect("prompt", request.workspace.slug, prompt.name)


@page("POST")
def prompt_follow(request: PageRequest, name: str) -> HttpResponse:
    """Follow a prompt, or no longer."""
    prompt = find_prompt(request.workspace.pk, name)
    if request.POST.get("follow") == "1":
        follow(request.actor, prompt)
        messages.success(request, "You hear of its promotions and rollbacks from now on.")
    else:
        unfollow(request.actor, prompt)
        messages.success(request, "You hear of it no more.")
    return redirect("prompt", request.workspace.slug, prompt.name)


@page("POST")
def prompt_archive(request: PageRequest, name: str) -> HttpResponse:
    """Archive or unarchive."""
    prompt = find_prompt(request.workspace.pk, name)
    archived = request.POST.get("archived") == "1"
    change_prompt(request.actor, prompt, archived=archived)
    messages.success(
        request, "Archived: it is kept, and takes no new versions." if archived else "Back among the prompts."
    )
    return redirect("prompt", request.workspace.slug, prompt.name)


@page("POST")
def prompt_bump(request: PageRequest, name: str) -> HttpResponse:
    """Everything that includes an older version of a prompt, saved anew with the newest."""
    prompt = find_prompt(request.workspace.pk, name)
    done = bump_includes(request.actor, prompt)
    saved = [one.name for one in done if one.version]
    if saved:
        messages.success(request, f"Saved with the newest {name}: {', '.join(saved)}.")
    for one in done:
        if one.version is None:
            messages.error(request, f"{one.name} was not saved: {one.why}")
    if not done:
        messages.info(request, "Nothing includes an older version.")
    return redirect("prompt", request.workspace.slug, prompt.name)


def _prompt_page(request: PageRequest, prompt: Prompt, form: DescriptionForm | None = None) -> HttpResponse:
    version = newest_version(prompt)
    initial = {"description": prompt.description, "tags": ", ".join(prompt.tags)}
    users = including(prompt) if version and prompt.kind == Kind.TEXT else []
    places = stages(prompt)
    held = [one for stage in places for one in stage.held]
    context = {
        "prompt": prompt,
        "newest": version,
        "content": version.to_json() if version else None,
        "stages": places,
        "suites": starts(prompt.pk) if version else (),
        "may_roll_back": allows(request.actor, Permission.ROLL_BACK),
        "who_goes_back": who_goes_back(request.actor) if any(stage.deployment for stage in places) else "",
        "held": [one for one in held if version and one.digest == version.digest],
        "who_clears": who_clears(request.actor) if held else "",
        "draft": draft_of(prompt, request.member.pk),
        "form": form or DescriptionForm(initial=initial),
        "behind": behind(prompt=prompt),
        "uses": uses_of(prompt, version) if version else (),
        "includes": included_in(version) if version else (),
        "including": users,
        "is_any_behind": any(one.is_behind for one in users),
        "use_environment": exposed_environment(prompt),
        "may_administer": allows(request.actor, Permission.ADMINISTER),
        "next_step": _next_step(request, prompt),
        "is_following": is_following(request.actor, prompt),
    }
    return render(request, "prompts/prompt.html", context, status=status_of(form) if form else 200)


def exposed_environment(prompt: Prompt) -> Environment | None:
    """The most exposed environment where it is live, or else of all."""
    environments = Environment.objects.in_workspace(prompt.workspace_id)
    live = LivePointer.objects.live().filter(prompt=prompt).values("environment")
    return environments.filter(pk__in=live).last() or environments.last()


def uses_of(prompt: Prompt, version: PromptVersion, *, pinned: bool = False) -> tuple[Snippet, ...]:
    """How a service fetches what is live in the most exposed environment that has it, or with `pinned` this version for good."""
    environment = exposed_environment(prompt)
    content = version.to_json()
    config = content.get("config")
    use = Use(
        url=settings.PUBLIC_URL,
        environment=environment.name if environment else "production",
        prompt=prompt.name,
        version=version.number if pinned else None,
        variables=variables_of(content.get("variables")),
        model=str(config.get("model", "")) if isinstance(config, dict) else "",
    )
    return snippets(use)
