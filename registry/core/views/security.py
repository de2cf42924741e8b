"""One's second factor: an authenticator app and recovery codes; and whether the workspace asks for one."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from registry.core.actions.second_factors import (
    add_authenticator,
    begin_authenticator,
    recovery_codes_left,
    remove_authenticator,
    renew_recovery_codes,
)
from registry.core.actions.workspaces import require_second_factor
from registry.core.errors import Conflict, NotFound
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, allows, require_confirmed
from registry.core.totp import provisioning_uri
from registry.core.web import PageRequest


class FirstCodeForm(PageForm):
    """The first code of a new app."""

    code = forms.CharField(
        label="Code that the app shows",
        max_length=16,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


@page()
def security(request: PageRequest) -> HttpResponse:
    """What one has, and what the workspace asks."""
    return _security_page(request)


@page("POST")
def security_do(request: PageRequest, verb: str) -> HttpResponse:
    """One button of the page."""
    if verb not in VERBS:
        raise NotFound("not_found", "There is nothing at this address.")
    return VERBS[verb](request)


def _begin(request: PageRequest) -> HttpResponse:
    require_confirmed(request.actor)
    secret = begin_authenticator(request.user)
    return _security_page(request, secret=secret, form=FirstCodeForm())


def _add(request: PageRequest) -> HttpResponse:
    form = FirstCodeForm(request.POST)
    codes = attempt(form, lambda: add_authenticator(request.actor, request.user, code=form.cleaned_data["code"]))
    if codes is None:
        return _security_page(request, secret=begin_authenticator(request.user), form=form)
    request.user.refresh_from_db()
    return _security_page(request, codes=codes)


def _renew(request: PageRequest) -> HttpResponse:
    return _security_page(request, codes=renew_recovery_codes(request.actor, request.user))


def _remove(request: PageRequest) -> HttpResponse:
    remove_authenticator(request.actor, request.user)
    messages.success(request, "Your second factor is removed: a password alone signs you in.")
    return redirect("settings_security", request.workspace.slug)


def _require(request: PageRequest) -> HttpResponse:
    required = request.POST.get("required") == "1"
    try:
        require_second_factor(request.actor, required=required)
    except Conflict as refused:
        messages.error(request, refused.detail)
        return redirect("settings_security", request.workspace.slug)
    said = (
        "Reviewers and above need a second factor here now." if required else "A second factor is everybody's choice."
    )
    messages.success(request, said)
    return redirect("settings_security", request.workspace.slug)


VERBS: dict[str, Callable[[PageRequest], HttpResponse]] = {
    "begin": _begin,
    "add": _add,
    "renew": _renew,
    "remove": _remove,
    "require": _require,
}


def _security_page(
    request: PageRequest, *, secret: str = "", form: FirstCodeForm | None = None, codes: list[str] | None = None
) -> HttpResponse:
    context = {
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "app_address": provisioning_uri(secret, account=request.user.email) if secret else "",
        "form": form,
        "codes": "\n".join(codes or []),
        "codes_left": recovery_codes_left(request.user),
        "is_asked": request.member.lacks_factor,
        "may_administer": allows(request.actor, Permission.ADMINISTER),
    }
    return render(request, "registry/security.html", context, status=status_of(form) if form else 200)
