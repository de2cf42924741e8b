"""API keys of a workspace: made, rotated, revoked; the secret is on the answer that makes it and nowhere else."""

from datetime import timedelta
from urllib.parse import quote

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from prompts_app.actions.keys import issue_key
from prompts_app.environment_queries import environment_choices
from prompts_app.models import LivePointer
from registry.core.actions.keys import IssuedKey, find_key, revoke_key, rotate_key
from registry.core.actor import KeyKind
from registry.core.models import ApiKey
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

LIFETIMES = [("", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")]
SCOPES = [
    ("read", "read: prompts, runs, promotions"),
    ("write", "write: versions and suites"),
    ("run", "run: suites"),
    ("check", "check: post results from elsewhere"),
    ("promote", "promote: in environments that are not protected"),
]


class KeyForm(PageForm):
    """What a new key is for. Scopes are a CI key's, the environment a service key's."""

    name = forms.CharField(max_length=120, help_text="Who or what uses it: checkout-service, github-actions.")
    kind = forms.ChoiceField(choices=[("service", "Service: reads what is live"), ("ci", "CI: acts for a pipeline")])
    environment = forms.ChoiceField(required=False, help_text="For service keys, which belong to one.")
    lifetime = forms.ChoiceField(label="Expires", choices=LIFETIMES, required=False)
    scopes = forms.MultipleChoiceField(
        choices=SCOPES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="For CI keys. None chosen: all but promote.",
    )

    def __init__(self, *args: object, environments: list[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["environment"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "Choose one"), *environments]

    def make(self, request: PageRequest) -> IssuedKey:
        """Issue the key that the form describes."""
        given = self.cleaned_data
        days = given["lifetime"]
        return issue_key(
            request.actor,
            kind=KeyKind(given["kind"]),
            name=given["name"],
            environment=given["environment"],
            scopes=given["scopes"] or None,
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        )


@page("GET", "HEAD", "POST")
def keys(request: PageRequest) -> HttpResponse:
    """All keys; making one answers with its secret, which is shown there only."""
    require(request.actor, Permission.ADMINISTER)
    environments = environment_choices(request.workspace.pk)
    asked = {"environment": request.GET.get("environment", "")}
    form = KeyForm(request.POST or None, environments=environments, initial=asked)
    issued = attempt(form, lambda: form.make(request)) if request.method == "POST" else None
    return _keys_page(request, KeyForm(environments=environments) if issued else form, issued)


@page("POST")
def key_rotate(request: PageRequest, pk: int) -> HttpResponse:
    """A successor with the same rights; the old key works until it is revoked."""
    issued = rotate_key(request.actor, find_key(request.workspace.pk, pk))
    return _keys_page(request, KeyForm(environments=environment_choices(request.workspace.pk)), issued)


@page("POST")
def key_revoke(request: PageRequest, pk: int) -> HttpResponse:
    """End a key at once."""
    key = revoke_key(request.actor, find_key(request.workspace.pk, pk))
    messages.success(request, f"{key.name} is revoked: what used it is refused from now on.")
    return redirect("settings_keys", request.workspace.slug)


def fetch_command(issued: IssuedKey) -> str:
    """How the key just made fetches what is live in its environment: its newest prompt there, or one to name."""
    live = LivePointer.objects.live().filter(
        environment__workspace=issued.row.workspace_id, environment__name=issued.row.environment
    )
    name = live.order_by("-deployment_id").values_list("prompt__name", flat=True).first() or "NAME"
    where = f"{settings.PUBLIC_URL}/api/v1/environments/{issued.row.environment}/prompts/{quote(name)}"
    return f'curl -H "Authorization: Bearer {issued.token.token}" {where}'


def _keys_page(request: PageRequest, form: KeyForm, issued: IssuedKey | None) -> HttpResponse:
    rows = (
        ApiKey.objects.in_workspace(request.workspace.pk)
        .select_related("responsible__user", "made_by__user")
        .order_by("-pk")
    )
    context: dict[str, object] = {"form": form, "issued": issued, "keys": rows, "now": timezone.now()}
    if issued and issued.row.environment:
        context["snippet"] = fetch_command(issued)
    return render(request, "registry/keys.html", context, status=201 if issued else status_of(form))
