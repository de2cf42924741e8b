"""Webhooks of the workspace: endpoints, what each was sent and answered, and sending it again."""

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from prompts_app.environment_queries import environment_names
from prompts_app.webhook_queries import read_webhook
from registry.core import events
from registry.core.actions.webhooks import (
    IssuedWebhook,
    change_webhook,
    create_webhook,
    delete_webhook,
    find_delivery,
    find_webhook,
    redeliver,
    rotate_webhook_secret,
    send_test_event,
    settings_of,
)
from registry.core.canonical import JSON
from registry.core.errors import Conflict
from registry.core.models import Webhook
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest
from registry.core.webhook_queries import deliveries_of, webhooks_of

PAGE_SIZE = 25
FORMATS = [("event", "Event: JSON, for programs"), ("text", "Text: one line, for chat tools")]
SECRET = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})


@dataclass(frozen=True)
class EventChoice:
    """A kind of event that an endpoint may want."""

    name: str
    says: str
    is_chosen: bool


class WebhookForm(PageForm):
    """An endpoint as it is made."""

    url = forms.CharField(
        label="Address", max_length=500, help_text="Gets a POST for every event. In production it has to be https."
    )
    name = forms.CharField(max_length=120, required=False, help_text="Left empty: the address's host.")
    format = forms.ChoiceField(choices=FORMATS)
    events = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="None chosen: all of them."
    )
    environments = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Narrows events that happen in one; none chosen: all.",
    )
    with_content = forms.BooleanField(
        required=False, label="Send texts of prompts too", help_text="Else names, ids and digests only."
    )
    secret = forms.CharField(
        required=False, max_length=200, widget=SECRET, help_text="whsec_…; left empty, one is made and shown once."
    )

    def __init__(self, *args: object, environments: list[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._choose("events", [(kind.name, kind.name) for kind in events.types()])
        self._choose("environments", [(name, name) for name in environments])

    @property
    def event_groups(self) -> list[tuple[str, list[EventChoice]]]:
        """The events that can be chosen, by what they are about."""
        chosen: list[str] = self["events"].value() or []
        says = {kind.name: kind.says for kind in events.types()}
        groups: dict[str, list[EventChoice]] = {}
        for name in dict.fromkeys([*says, *chosen]):
            told = EventChoice(name, says.get(name, "No longer told."), name in chosen)
            groups.setdefault(name.partition(".")[0], []).append(told)
        return list(groups.items())

    def body(self) -> dict[str, JSON]:
        """What is typed, as the API takes it; a secret left empty is left out."""
        return {name: value for name, value in self.cleaned_data.items() if name != "secret" or value}

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        chosen = self.initial.get(name) or []
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices + [(one, one) for one in chosen if (one, one) not in choices]


class WebhookEditForm(WebhookForm):
    """An endpoint as it is changed."""

    is_active = forms.BooleanField(
        required=False, label="Switched on", help_text="Switching it on again forgets its failures."
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["secret"].help_text = "Left empty, it stays. Another address needs it again, or a new one."


@page("GET", "HEAD", "POST")
def settings_webhooks(request: PageRequest) -> HttpResponse:
    """All endpoints, and the form for a new one; its secret is in the answer that makes it."""
    require(request.actor, Permission.ADMINISTER)
    names = environment_names(request.workspace.pk)
    form = WebhookForm(request.POST or None, environments=names)
    made = None
    if request.method == "POST":
        made = attempt(form, lambda: create_webhook(request.actor, read_webhook(form.body(), request.workspace.pk)))
    shown = WebhookForm(environments=names) if made else form
    context = {"webhooks": webhooks_of(request.workspace.pk), "form": shown, "issued": made}
    return render(request, "registry/webhooks.html", context, status=201 if made else status_of(form))


@page("GET", "HEAD", "POST")
def webhook_page(request: PageRequest, pk: int) -> HttpResponse:
    """One endpoint: changed, and its log."""
    require(request.actor, Permission.ADMINISTER)
    found = find_webhook(request.workspace.pk, pk)
    form = _edit_form(request, found, bound=request.method == "POST")
    if request.method == "POST":
        before = settings_of(found)
        changed = attempt(
            form,
            lambda: change_webhook(request.actor, found, read_webhook(form.body(), request.workspace.pk, base=before)),
        )
        if changed:
            messages.success(request, f"{changed.name} is changed.")
            return redirect("settings_webhook", request.workspace.slug, changed.pk)
    return _webhook_page(request, found, form)


@page("POST")
def webhook_test(request: PageRequest, pk: int) -> HttpResponse:
    """Send a test event; it comes up in the log."""
    require(request.actor, Permission.ADMINISTER)
    found = find_webhook(request.workspace.pk, pk)
    try:
        send_test_event(request.actor, found)
        messages.success(request, "A test event is on its way: it is the newest line of the log.")
    except Conflict as refused:
        messages.error(request, refused.detail)
    return redirect("settings_webhook", request.workspace.slug, pk)


@page("POST")
def webhook_rotate(request: PageRequest, pk: int) -> HttpResponse:
    """A new secret, shown on this answer only."""
    require(request.actor, Permission.ADMINISTER)
    found = find_webhook(request.workspace.pk, pk)
    issued = rotate_webhook_secret(request.actor, found)
    return _webhook_page(request, issued.row, _edit_form(request, issued.row), issued)


@page("POST")
def webhook_redeliver(request: PageRequest, pk: int, delivery: int) -> HttpResponse:
    """Send an event again."""
    require(request.actor, Permission.ADMINISTER)
    found = find_delivery(find_webhook(request.workspace.pk, pk), delivery)
    try:
        redeliver(request.actor, found)
        messages.success(request, f"{found.event.type} is sent again, by the same id.")
    except Conflict as refused:
        messages.error(request, refused.detail)
    return redirect("settings_webhook", request.workspace.slug, pk)


@page("POST")
def webhook_delete(request: PageRequest, pk: int) -> HttpResponse:
    """End an endpoint."""
    require(request.actor, Permission.ADMINISTER)
    found = find_webhook(request.workspace.pk, pk)
    delete_webhook(request.actor, found)
    messages.success(request, f"{found.name} is deleted, with its log.")
    return redirect("settings_webhooks", request.workspace.slug)


def _edit_form(request: PageRequest, webhook: Webhook, *, bound: bool = False) -> WebhookEditForm:
    stored = settings_of(webhook)
    initial = {**vars(stored), "events": list(stored.events), "environments": list(stored.environments)}
    names = environment_names(request.workspace.pk)
    return WebhookEditForm(request.POST if bound else None, environments=names, initial=initial)


def _webhook_page(
    request: PageRequest, webhook: Webhook, form: WebhookEditForm, issued: IssuedWebhook | None = None
) -> HttpResponse:
    log = Paginator(deliveries_of(webhook), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"webhook": webhook, "form": form, "issued": issued, "log": log}
    return render(request, "registry/webhook.html", context, status=201 if issued else status_of(form))
