"""Saying again who one is, before what matters most: on the way to where the form was going, with what was typed in it."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from registry.core.actions.passkeys import confirm_by_passkey
from registry.core.actions.sessions import confirm_person
from registry.core.ceremonies import Purpose, end_ceremony
from registry.core.errors import RegistryError, TooManyRequests, Unauthenticated, Unavailable
from registry.core.models import User
from registry.core.pages import PageForm, attempt
from registry.core.passkey_queries import passkeys_of
from registry.core.relying_party import is_offered
from registry.core.signing_in import browser_of, confirm_here
from registry.core.web import address_of, is_api

MARK = "confirm_username"
CAME_FROM = "confirm_came_from"
OURS = {MARK, "confirm_password", "confirm_code", "confirm_passkey", CAME_FROM, "csrfmiddlewaretoken"}
WRONG_PASSWORD = "That is not your password."  # noqa: S105 - what is said of one
WRONG_CODE = "That is not right. A code counts only once: wait for the next one."
REFUSALS: tuple[type[RegistryError], ...] = (Unauthenticated, TooManyRequests, Unavailable)


class ConfirmationForm(PageForm):
    """Who one is, by all that one has; the fields' names are ones that no other form uses."""

    confirm_password = forms.CharField(
        label="Your password",
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    confirm_code = forms.CharField(
        label="Code",
        max_length=40,
        help_text="Six digits of your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not user.has_usable_password():
            del self.fields["confirm_password"]
        if not user.has_second_factor:
            del self.fields["confirm_code"]


class PasskeyConfirmationForm(PageForm):
    """What the browser answered for a passkey: JSON that a script fills in."""

    confirm_passkey = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)


def answer_confirmation(request: HttpRequest) -> HttpResponse | None:
    """None for what carries no answer, or the right one; the page again for a wrong one."""
    is_form = request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}
    if request.method != "POST" or not is_form or is_api(request) or not isinstance(request.user, User):
        return None
    if MARK not in request.POST:
        return None
    user = request.user
    by_passkey = "confirm_passkey" in request.POST
    form = PasskeyConfirmationForm(request.POST) if by_passkey else ConfirmationForm(user, request.POST)
    confirm = _confirm_by_passkey if by_passkey else _confirm
    done = attempt(form, lambda: confirm(request, user, form), also=REFUSALS)
    return None if done else confirmation_page(request, user, form)


def confirmation_page(request: HttpRequest, user: User, refused: PageForm | None = None) -> HttpResponse:
    """The question, on forms that go on to the same address with the same fields."""
    kept = [(name, value) for name, values in request.POST.lists() if name not in OURS for value in values]
    context = {
        "form": refused if isinstance(refused, ConfirmationForm) else ConfirmationForm(user),
        "refused": refused,
        "kept": kept,
        "action": request.get_full_path(),
        "has_passkeys": is_offered() and bool(passkeys_of(user)),
        "can_confirm": user.has_usable_password() or user.has_second_factor,
        "sso_name": settings.OIDC_NAME if settings.OIDC_ISSUER else "",
        "came_from": _came_from(request),
    }
    answer = render(request, "registry/confirm.html", context, status=422 if refused else 403)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _came_from(request: HttpRequest) -> str:
    """The page of ours that the form was on; asked a second time, the page that the first question knew."""
    address = request.POST.get(CAME_FROM) or request.headers.get("Referer", "")
    parts, hosts = urlsplit(address), {request.get_host()}
    place = f"{parts.path}?{parts.query}" if parts.query else parts.path
    is_ours = all(url_has_allowed_host_and_scheme(one, hosts) for one in (address, place))
    return place if is_ours else "/"


def _confirm(request: HttpRequest, user: User, form: PageForm) -> bool:
    given = form.cleaned_data
    password, code = given.get("confirm_password", ""), given.get("confirm_code", "")
    try:
        confirm_person(user, password, code, address=address_of(request), browser=browser_of(request))
    except Unauthenticated as refused:
        raise Unauthenticated(refused.code, WRONG_CODE if user.has_second_factor else WRONG_PASSWORD) from None
    confirm_here(request)
    return True


def _confirm_by_passkey(request: HttpRequest, user: User, form: PageForm) -> bool:
    ceremony = end_ceremony(request, Purpose.CONFIRM, user=user)
    confirm_by_passkey(user, form.cleaned_data["confirm_passkey"], ceremony, address=address_of(request))
    confirm_here(request)
    return True
