"""One's second factors: an authenticator app, passkeys and recovery codes; and whether the workspace asks for one."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from registry.core.actions.passkeys import MAX_NAME, add_passkey, remove_passkey, rename_passkey
from registry.core.actions.second_factors import (
    add_authenticator,
    begin_authenticator,
    recovery_codes_left,
    remove_authenticator,
    renew_recovery_codes,
)
from registry.core.actions.workspaces import require_second_factor
from registry.core.ceremonies import Purpose, end_ceremony
from registry.core.errors import Conflict, NotFound
from registry.core.models import PersonSession
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.passkey_queries import has_app, passkeys_of
from registry.core.permissions import Permission, allows, require_confirmed
from registry.core.relying_party import is_offered, relying_party_id
from registry.core.totp import provisioning_uri
from registry.core.web import PageRequest


class FirstCodeForm(PageForm):
    """The first code of a new app."""

    code = forms.CharField(
        label="Code that the app shows",
        max_length=16,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class NewPasskeyForm(PageForm):
    """What a new passkey is called, and what the browser answered: JSON that a script fills in."""

    name = forms.CharField(
        max_length=MAX_NAME, help_text="The device or the account that keeps it, so that you know it again."
    )
    credential = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)


class PasskeyNameForm(PageForm):
    """What a passkey is called."""

    name = forms.CharField(max_length=MAX_NAME)


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
    require_confirmed(request.actor)
    form = FirstCodeForm(request.POST)
    codes = attempt(form, lambda: add_authenticator(request.actor, request.user, code=form.cleaned_data["code"]))
    if codes is None:
        return _security_page(request, secret=begin_authenticator(request.user), form=form)
    return _with_codes(request, codes, "Your app is in use.")


def _renew(request: PageRequest) -> HttpResponse:
    return _security_page(request, codes=renew_recovery_codes(request.actor, request.user))


def _remove(request: PageRequest) -> HttpResponse:
    remove_authenticator(request.actor, request.user)
    return _removed(request, "The app is removed")


def _begin_passkey(request: PageRequest) -> HttpResponse:
    require_confirmed(request.actor)
    called = PersonSession(agent=request.headers.get("User-Agent", "")).program[:MAX_NAME]
    return _security_page(request, passkey_form=NewPasskeyForm(initial={"name": called}))


def _add_passkey(request: PageRequest) -> HttpResponse:
    form = NewPasskeyForm(request.POST)
    require_confirmed(request.actor)
    ceremony = end_ceremony(request, Purpose.ADD, user=request.user)
    added = attempt(
        form,
        lambda: add_passkey(
            request.actor,
            request.user,
            name=form.cleaned_data["name"],
            answer=form.cleaned_data["credential"],
            ceremony=ceremony,
        ),
    )
    if added is None:
        return _security_page(request, passkey_form=form)
    return _with_codes(request, added.codes, f"{added.row.name} is a passkey of yours now.")


def _rename_passkey(request: PageRequest) -> HttpResponse:
    form = PasskeyNameForm(request.POST)
    row = attempt(
        form, lambda: rename_passkey(request.actor, request.user, _asked(request), name=form.cleaned_data["name"])
    )
    if row:
        messages.success(request, f"The passkey is called {row.name} now.")
    else:
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
    return redirect("settings_security", request.workspace.slug)


def _remove_passkey(request: PageRequest) -> HttpResponse:
    row = remove_passkey(request.actor, request.user, _asked(request))
    return _removed(request, f"The passkey {row.name} is removed")


def _asked(request: PageRequest) -> int:
    asked = request.POST.get("passkey", "")
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= 18):
        raise NotFound("passkey.not_found", "You have no such passkey.")
    return int(asked)


def _with_codes(request: PageRequest, codes: list[str], said: str) -> HttpResponse:
    """Recovery codes are shown on the answer itself; where there are none, the page is read anew."""
    if codes:
        request.user.refresh_from_db()
        return _security_page(request, codes=codes)
    messages.success(request, said)
    return redirect("settings_security", request.workspace.slug)


def _removed(request: PageRequest, what: str) -> HttpResponse:
    request.user.refresh_from_db()
    left = "" if request.user.has_second_factor else ": you have no second factor any more"
    messages.success(request, f"{what}{left}.")
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
    "passkey": _begin_passkey,
    "passkey-add": _add_passkey,
    "passkey-rename": _rename_passkey,
    "passkey-remove": _remove_passkey,
    "require": _require,
}


def _security_page(
    request: PageRequest,
    *,
    secret: str = "",
    form: FirstCodeForm | None = None,
    passkey_form: NewPasskeyForm | None = None,
    codes: list[str] | None = None,
) -> HttpResponse:
    given = form or passkey_form
    context = {
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "app_address": provisioning_uri(secret, account=request.user.email) if secret else "",
        "form": form,
        "has_app": has_app(request.user),
        "passkeys": passkeys_of(request.user),
        "passkey_form": passkey_form,
        "is_offered": is_offered(),
        "here": relying_party_id(),
        "codes": "\n".join(codes or []),
        "codes_left": recovery_codes_left(request.user),
        "is_asked": request.member.lacks_factor,
        "may_administer": allows(request.actor, Permission.ADMINISTER),
    }
    return render(request, "registry/security.html", context, status=status_of(given) if given else 200)
