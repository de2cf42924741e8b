"""Signing in and out."""

from django import forms
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.core.actions.second_factors import check_factor
from registry.core.actions.sessions import check_credentials, peek_link, redeem_link
from registry.core.errors import Unauthenticated
from registry.core.identity import memberships
from registry.core.models import User
from registry.core.pages import PageForm, attempt, status_of
from registry.core.signing_in import browser_of, remember_browser, sign_in_here, wait_for_factor, who_waits
from registry.core.web import address_of


class SignInForm(PageForm):
    """Who one is, by address and password."""

    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        strip=False, max_length=1000, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class CodeForm(PageForm):
    """A second factor."""

    code = forms.CharField(
        max_length=40,
        help_text="Six digits of your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}),
    )


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
    onward = request.POST.get("next") or request.GET.get("next", "")
    return render(
        request,
        "registry/sign_in.html",
        {"form": form, "next": onward, "sso_name": settings.OIDC_NAME if settings.OIDC_ISSUER else ""},
        status=status_of(form),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """The way in by a one-time link: reading changes nothing, pressing the button signs in."""
    if request.method == "POST":
        user = redeem_link(token, address=address_of(request))
        return signed_in(request, user, _first_page(user))
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
    user, onward = waiting
    form = CodeForm(request.POST or None)
    if request.method == "POST":
        address = address_of(request)
        done = attempt(
            form,
            lambda: check_factor(user, form.cleaned_data["code"], address=address) or True,
            also=[Unauthenticated],
        )
        if done:
            return _let_in(request, user, onward)
    return render(request, "registry/sign_in_code.html", {"form": form, "person": user}, status=status_of(form))


def signed_in(request: HttpRequest, user: User, onward: str) -> HttpResponse:
    """The first factor was right: on to the second one, or in."""
    if user.has_second_factor:
        wait_for_factor(request, user, onward=onward)
        return redirect("sign_in_code")
    return _let_in(request, user, onward)


def _let_in(request: HttpRequest, user: User, onward: str) -> HttpResponse:
    sign_in_here(request, user)
    answer = redirect(onward)
    remember_browser(answer, user)
    return answer


def onward_of(request: HttpRequest, onward: str) -> str:
    """Where somebody wants to go next, if that is on this server; else the start page."""
    is_ours = url_has_allowed_host_and_scheme(onward, {request.get_host()}, require_https=request.is_secure())
    return onward if is_ours else reverse("home")


def _first_page(user: User) -> str:
    """Where a link leads: to choosing a password while there is none."""
    found = memberships(user)
    if found and not user.has_usable_password():
        return reverse("settings_profile", args=[found[0].workspace.slug]) + "?first"
    return reverse("home")
