"""Signing in and out."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.core.actions.passkeys import check_passkey
from registry.core.actions.second_factors import check_factor
from registry.core.actions.sessions import check_credentials, peek_link, redeem_link
from registry.core.actions.single_sign_on import tie
from registry.core.ceremonies import Purpose, end_ceremony
from registry.core.errors import Unauthenticated
from registry.core.identity import memberships
from registry.core.models import User
from registry.core.oidc import Claims
from registry.core.pages import PageForm, attempt, status_of
from registry.core.passkey_queries import has_app, passkeys_of
from registry.core.relying_party import is_offered
from registry.core.signing_in import (
    browser_of,
    note_link,
    remember_browser,
    sign_in_here,
    wait_for_factor,
    who_waits,
)
from registry.core.web import address_of


class SignInForm(PageForm):
    """Who one is, by address and password."""

    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        strip=False, max_length=1000, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class CodeForm(PageForm):
    """A second factor that is typed."""

    code = forms.CharField(
        max_length=40,
        help_text="Six digits of your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_app(user):
            self.fields["code"].label, self.fields["code"].help_text = "Recovery code", ""


class PasskeyForm(PageForm):
    """What the browser answered for a passkey: JSON that a script fills in."""

    credential = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The way in by password; `next` leads only to this server's own pages."""
    form = SignInForm(request.POST or None)
    if request.method == "POST":
        found = attempt(
            form,
            lambda: check_credentials(**form.cleaned_data, address=address_of(request), browser=browser_of(request)),
            also=[Unauthenticated],
        )
        if found:
            return signed_in(request, found, onward_of(request, request.POST.get("next", "")))
    return sign_in_page(request, form=form)


def sign_in_page(
    request: HttpRequest, *, form: SignInForm | None = None, passkey_form: PasskeyForm | None = None
) -> HttpResponse:
    """All ways in, with what was refused of one of them."""
    context = {
        "form": form or SignInForm(),
        "passkey_form": passkey_form,
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "sso_name": settings.OIDC_NAME if settings.OIDC_ISSUER else "",
        "has_passkeys": is_offered(),
        "nobody_yet": not User.objects.exists(),
    }
    refused = passkey_form or form
    return render(request, "registry/sign_in.html", context, status=status_of(refused) if refused else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """The way in by a one-time link: reading changes nothing, pressing the button signs in."""
    if request.method == "POST":
        user = redeem_link(token, address=address_of(request))
        answer = signed_in(request, user, reverse("home"))
        note_link(request)
        return answer
    context = {"person": peek_link(token)}
    return render(request, "registry/sign_in_link.html", context, status=200 if context["person"] else 404)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """The way out."""
    logout(request)
    return redirect("sign_in")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The start page: one's first workspace, or the way in."""
    if not isinstance(request.user, User):
        return redirect("sign_in")
    found = memberships(request.user)
    if not found:
        return render(request, "registry/no_workspace.html", status=403)
    return redirect("board", found[0].workspace.slug)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_code(request: HttpRequest) -> HttpResponse:
    """The second step of signing in, for whoever has a second factor."""
    waiting = who_waits(request)
    if waiting is None:
        return redirect("sign_in")
    user = waiting.user
    by_passkey = "credential" in request.POST
    form = PasskeyForm(request.POST) if by_passkey else CodeForm(user, request.POST or None)
    if request.method == "POST":
        check = _check_passkey if by_passkey else _check_code
        if attempt(form, lambda: check(request, user, form), also=[Unauthenticated]):
            if waiting.claims is not None:
                tie(user, waiting.claims, address=address_of(request))
            return let_in(request, user, waiting.onward)
    context = {
        "form": CodeForm(user) if by_passkey else form,
        "refused": form,
        "person": user,
        "has_passkeys": is_offered() and bool(passkeys_of(user)),
    }
    return render(request, "registry/sign_in_code.html", context, status=status_of(form))


def _check_code(request: HttpRequest, user: User, form: PageForm) -> bool:
    check_factor(user, form.cleaned_data["code"], address=address_of(request))
    return True


def _check_passkey(request: HttpRequest, user: User, form: PageForm) -> bool:
    ceremony = end_ceremony(request, Purpose.CODE, user=user)
    check_passkey(form.cleaned_data["credential"], ceremony, user=user, address=address_of(request))
    return True


def signed_in(
    request: HttpRequest, user: User, onward: str, *, proved_at: float | None = None, claims: Claims | None = None
) -> HttpResponse:
    """The first factor was right: on to the second one, or in. `proved_at` and `claims` as `signing_in` has them."""
    if user.has_second_factor:
        wait_for_factor(request, user, onward=onward, claims=claims)
        return redirect("sign_in_code")
    return let_in(request, user, onward, proved_at=proved_at)


def let_in(request: HttpRequest, user: User, onward: str, *, proved_at: float | None = None) -> HttpResponse:
    """In, in this browser, and on."""
    sign_in_here(request, user, proved_at=proved_at)
    answer = HttpResponseRedirect(onward)
    remember_browser(answer, user)
    return answer


def onward_of(request: HttpRequest, onward: str) -> str:
    """Where somebody wants to go next, if that is on this server; else the start page."""
    is_ours = url_has_allowed_host_and_scheme(onward, {request.get_host()}, require_https=request.is_secure())
    return onward if is_ours else reverse("home")
