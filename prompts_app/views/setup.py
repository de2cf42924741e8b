"""A fresh installation's first page, reached by the link that the server printed."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from prompts_app.actions.founding import found_workspace
from registry.core.actions.invitations import peek_invitation
from registry.core.errors import Gone
from registry.core.pages import attempt, status_of
from registry.core.signing_in import sign_in_here
from registry.core.views.join import SignUpForm
from registry.core.web import address_of


class SetupForm(SignUpForm):
    """Who owns the installation's first workspace, and what that is called."""

    workspace = forms.CharField(
        label="Name of the workspace",
        max_length=120,
        help_text="Your team's or product's name. It is in every address.",
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Reading changes nothing; the form makes the account and the workspace, and signs in."""
    is_open = peek_invitation(token, founds=True) is not None
    form = SetupForm(request.POST or None)
    if not is_open:
        return render(request, "registry/setup.html", {"is_open": False}, status=Gone.status)
    if request.method == "POST":
        address = address_of(request)
        made = attempt(
            form,
            lambda: found_workspace(token, who=form.person(), name=form.cleaned_data["workspace"], address=address),
        )
        if made:
            sign_in_here(request, made.user)
            messages.success(request, f"{made.workspace.name} is yours. The first steps lead to Production.")
            return redirect("board", made.workspace.slug)
    return render(request, "registry/setup.html", {"is_open": True, "form": form}, status=status_of(form))
