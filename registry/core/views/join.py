"""Coming in by a link: as oneself where one is signed in, else with a new account."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from registry.core.actions.invitations import NewPerson, accept_invitation, peek_invitation
from registry.core.errors import Gone
from registry.core.models import User
from registry.core.pages import PageForm, attempt, status_of
from registry.core.signing_in import sign_in_here
from registry.core.web import address_of


class SignUpForm(PageForm):
    """Who somebody new is."""

    name = forms.CharField(
        label="Your name",
        max_length=120,
        help_text="As others will see it.",
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
    )
    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        help_text="You sign in with it; nothing is sent unless you ask for it.",
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        strip=False,
        max_length=1000,
        help_text="At least 12 characters. A few unrelated words are easy to keep and hard to guess.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def person(self) -> NewPerson:
        """What was given, for the action."""
        return NewPerson(**{name: self.cleaned_data[name] for name in ("email", "name", "password")})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Reading changes nothing; pressing the button uses the link up."""
    invitation = peek_invitation(token)
    user = request.user if isinstance(request.user, User) else None
    form = SignUpForm(request.POST if request.method == "POST" and user is None else None)
    context = {"invitation": invitation, "form": form, "person": user, "path": request.path}
    if invitation is None:
        return render(request, "registry/join.html", context, status=Gone.status)
    if request.method != "POST":
        return render(request, "registry/join.html", context)
    address = address_of(request)
    if user is not None:
        member = accept_invitation(token, who=user, address=address)
    else:
        made = attempt(form, lambda: accept_invitation(token, who=form.person(), address=address))
        if made is None:
            return render(request, "registry/join.html", context, status=status_of(form))
        sign_in_here(request, made.user)
        member = made
    messages.success(request, f"You are in {member.workspace.name}, as {member.role}.")
    return redirect("board", member.workspace.slug)
