"""Providers of the workspace: added, changed, tried with a real question. Keys go in and never come out."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from evals_app.actions.providers import create_provider, find_provider, settings_of, update_provider
from evals_app.engine.trying import Tried, try_provider
from evals_app.local_model import IN_FLIGHT, MODEL_NAME, PATIENCE_S
from evals_app.models import Provider
from evals_app.provider_settings import parse_provider
from prompts_app.detours import stay_on_detour
from registry.core.canonical import JSON
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

SECRET = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})


class ModelsField(forms.CharField):
    """Names, one a line."""

    def clean(self, value: object) -> list[str]:
        """The names that are not blank."""
        return [line.strip() for line in str(super().clean(value)).splitlines() if line.strip()]


class ChangeForm(PageForm):
    """What may change about a provider."""

    base_url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="Up to /v1, as in https://api.openai.com/v1: it gets /chat/completions.",
    )
    api_key = forms.CharField(label="Key", required=False, max_length=2000, widget=SECRET)
    models = ModelsField(
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text="One a line; the first is asked where a prompt names none.",
    )
    default = forms.BooleanField(
        required=False, label="Default", help_text="Asked where a prompt's settings name no provider."
    )
    concurrency = forms.IntegerField(initial=16, help_text="Questions in flight at once, over all workers.")
    requests_per_minute = forms.IntegerField(required=False, help_text="Left empty: no limit.")
    tokens_per_minute = forms.IntegerField(required=False, help_text="Left empty: no limit.")
    timeout_s = forms.IntegerField(
        label="Time limit", initial=60, help_text="Seconds for one answer, all tries together."
    )
    streams = forms.BooleanField(
        required=False,
        label="Answers in pieces",
        help_text="For a provider that only streams, or cuts long answers short otherwise.",
    )
    fallback = forms.ChoiceField(required=False, help_text="Asked while this one stays down.")

    def __init__(self, *args: object, others: list[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        fallback = self.fields["fallback"]
        assert isinstance(fallback, forms.ChoiceField)
        fallback.choices = [("", "None"), *((name, name) for name in others)]

    def body(self) -> dict[str, JSON]:
        """What is typed, as the API takes it; a key left empty is left out."""
        given = {**self.cleaned_data, "fallback": self.cleaned_data["fallback"] or None}
        if given.pop("forget_key", False):
            return {**given, "api_key": ""}
        return {name: value for name, value in given.items() if name != "api_key" or value}


class ProviderForm(ChangeForm):
    """A new provider; its name is for good."""

    field_order = ("name",)
    name = forms.CharField(
        max_length=63, help_text="Versions name it, so it cannot be changed later. Lower-case letters, digits, - and _."
    )

    def create(self, request: PageRequest) -> Provider:
        """Add it."""
        return create_provider(request.actor, parse_provider(self.body(), allow=settings.OUTBOUND_ALLOW))


class EditForm(ChangeForm):
    """A provider as it is changed."""

    field_order = ("base_url", "api_key", "forget_key")
    forget_key = forms.BooleanField(required=False, label="Forget the stored key")

    def update(self, request: PageRequest, provider: Provider) -> Provider:
        """Change it."""
        given = parse_provider(self.body(), base=settings_of(provider), allow=settings.OUTBOUND_ALLOW)
        return update_provider(request.actor, provider, given)


@page("GET", "HEAD", "POST")
def settings_providers(request: PageRequest) -> HttpResponse:
    """All providers, and the form for a new one."""
    require(request.actor, Permission.ADMINISTER)
    rows = Provider.objects.in_workspace(request.workspace.pk).select_related("fallback")
    offered = None if rows else _local_model()
    form = ProviderForm(request.POST or None, others=[row.name for row in rows], initial=offered)
    if request.method == "POST":
        made = attempt(form, lambda: form.create(request))
        if made:
            messages.success(request, f"{made.name} is there. Try it with a real question.")
            return stay_on_detour(request, "provider", request.workspace.slug, made.name)
    context = {"providers": rows, "form": form, "offered": offered}
    return render(request, "evals/providers.html", context, status=status_of(form))


def _local_model() -> dict[str, object] | None:
    """The small model that runs beside this server, as the form is filled in for it; None where none does."""
    if not settings.LOCAL_MODEL_URL:
        return None
    return {
        "name": "local",
        "base_url": settings.LOCAL_MODEL_URL,
        "models": MODEL_NAME,
        "concurrency": IN_FLIGHT,
        "timeout_s": PATIENCE_S,
        "default": True,
    }


@page("GET", "HEAD", "POST")
def provider_page(request: PageRequest, provider: str) -> HttpResponse:
    """One provider: changed, and tried."""
    require(request.actor, Permission.ADMINISTER)
    found = find_provider(request.workspace.pk, provider)
    form = EditForm(request.POST or None, others=_others(found), initial=_initial(found))
    changed = attempt(form, lambda: form.update(request, found)) if request.method == "POST" else None
    if changed:
        messages.success(request, f"{found.name} is changed.")
        return stay_on_detour(request, "provider", request.workspace.slug, found.name)
    return _provider_page(request, found, form)


@page("POST")
def provider_test(request: PageRequest, provider: str) -> HttpResponse:
    """Ask it something, really; the answer is shown on this very page, since nothing was changed."""
    require(request.actor, Permission.ADMINISTER)
    found = find_provider(request.workspace.pk, provider)
    asked = request.POST.get("model", "")
    model = asked if asked in found.model_names else found.default_model
    tried = try_provider(found, model, allow=settings.OUTBOUND_ALLOW)
    if request.htmx:
        return render(request, "evals/provider.html#trial", {"provider": found, "tried": tried})
    return _provider_page(request, found, EditForm(others=_others(found), initial=_initial(found)), tried)


def _provider_page(
    request: PageRequest, provider: Provider, form: EditForm, tried: Tried | None = None
) -> HttpResponse:
    context = {"provider": provider, "form": form, "tried": tried}
    return render(request, "evals/provider.html", context, status=status_of(form))


def _others(provider: Provider) -> list[str]:
    rows = Provider.objects.in_workspace(provider.workspace_id).exclude(pk=provider.pk)
    return list(rows.values_list("name", flat=True))


def _initial(provider: Provider) -> dict[str, object]:
    stored = settings_of(provider).to_json()
    return {**stored, "models": "\n".join(provider.model_names)}
