"""What concerns the reader alone: their inbox and their profile."""

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from registry.core.actions.notifications import mark_read
from registry.core.actions.people import rename_person, set_password
from registry.core.models import Notification
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.web import PageRequest

PAGE_SIZE = 50


class NameForm(PageForm):
    """How others see one's name."""

    name = forms.CharField(max_length=120)


class PasswordForm(PageForm):
    """A new password; the present one where there is one."""

    current = forms.CharField(
        label="Present password",
        strip=False,
        max_length=1000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label="New password",
        strip=False,
        max_length=1000,
        help_text="At least 12 characters. A few unrelated words are easy to keep and hard to guess.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: object, has_password: bool, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        if not has_password:
            del self.fields["current"]


@page("GET", "HEAD", "POST")
def notifications(request: PageRequest) -> HttpResponse:
    """The inbox, newest first; posting marks everything as read."""
    if request.method == "POST":
        mark_read(request.user, request.workspace.pk)
        return redirect("notifications", request.workspace.slug)
    rows = Notification.objects.filter(user=request.user, workspace=request.workspace)
    found = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "registry/notifications.html", {"notifications": found})


@page()
def profile(request: PageRequest) -> HttpResponse:
    """One's name and password."""
    return _profile_page(request, NameForm({"name": request.user.name}), _password_form(request))


@page("POST")
def profile_name(request: PageRequest) -> HttpResponse:
    """Another name."""
    form = NameForm(request.POST)
    if form.is_valid():
        rename_person(request.actor, request.user, name=form.cleaned_data["name"])
        messages.success(request, "Your name is changed.")
        return redirect("settings_profile", request.workspace.slug)
    return _profile_page(request, form, _password_form(request))


@page("POST")
def profile_password(request: PageRequest) -> HttpResponse:
    """Another password; every other session of this person ends."""
    form = _password_form(request, request.POST)
    done = attempt(form, lambda: set_password(request.actor, request.user, **form.cleaned_data) or True)
    if not done:
        return _profile_page(request, NameForm({"name": request.user.name}), form)
    request.user.refresh_from_db()
    update_session_auth_hash(request, request.user)
    messages.success(request, "Your password is set.")
    return redirect("board", request.workspace.slug)


def _password_form(request: PageRequest, data: object = None) -> PasswordForm:
    return PasswordForm(data, has_password=request.user.has_usable_password())


def _profile_page(request: PageRequest, name: NameForm, password: PasswordForm) -> HttpResponse:
    context = {"name_form": name, "password_form": password, "is_first": "first" in request.GET}
    return render(request, "registry/profile.html", context, status=max(status_of(name), status_of(password)))
