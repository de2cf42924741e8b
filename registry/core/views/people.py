"""What concerns the reader alone: their profile, how they are told of news, where they are signed in."""

from functools import cache
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from registry.core import news
from registry.core.actions.notifications import CHOICES, INBOX, MAIL, OFF, choose_news, hide_hint
from registry.core.actions.people import rename_person, set_password, set_time_zone
from registry.core.actions.sessions import end_other_sessions, end_session, sessions_of
from registry.core.errors import NotFound
from registry.core.models import Member
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.signing_in import keep_session
from registry.core.web import PageRequest

THEMES = [("", "As the system has it"), ("light", "Light"), ("dark", "Dark")]
WAYS = [(INBOX, "Inbox"), (MAIL, "Inbox and e-mail"), (OFF, "Off")]
YEAR_S = 365 * 24 * 3600
HINTS = ("steps", "suite", "next", "password")


@cache
def zones() -> tuple[str, ...]:
    """The names of all time zones, read once: they lie in hundreds of files."""
    return tuple(sorted(available_timezones()))


class NameForm(PageForm):
    """How others see one's name."""

    name = forms.CharField(max_length=120)


class LookForm(PageForm):
    """In which zone one's times are shown, and in which colours this browser shows the pages."""

    time_zone = forms.ChoiceField(required=False, label="Time zone")
    theme = forms.ChoiceField(choices=THEMES, required=False, help_text="For this browser.")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["time_zone"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "As the browser has it"), *((name, name) for name in zones())]


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


@page()
def profile(request: PageRequest) -> HttpResponse:
    """One's name, zone, theme, password, sessions, and the news one hears."""
    return _profile_page(request)


@page("POST")
def profile_name(request: PageRequest) -> HttpResponse:
    """Another name."""
    form = NameForm(request.POST)
    if attempt(form, lambda: rename_person(request.actor, request.user, name=form.cleaned_data["name"]) or True):
        messages.success(request, "Your name is changed.")
        return redirect("settings_profile", request.workspace.slug)
    return _profile_page(request, name_form=form)


@page("POST")
def profile_look(request: PageRequest) -> HttpResponse:
    """Another zone, another theme; the theme is a cookie of this browser."""
    form = LookForm(request.POST)
    zone = str(form.data.get("time_zone", ""))
    if not attempt(form, lambda: set_time_zone(request.actor, request.user, time_zone=zone) or True):
        return _profile_page(request, look_form=form)
    messages.success(request, "Zone and theme are changed.")
    answer = redirect("settings_profile", request.workspace.slug)
    if form.cleaned_data["theme"]:
        secure = request.is_secure()
        answer.set_cookie("theme", form.cleaned_data["theme"], max_age=YEAR_S, samesite="Lax", secure=secure)
    else:
        answer.delete_cookie("theme")
    return answer


@page("POST")
def profile_password(request: PageRequest) -> HttpResponse:
    """Another password; every other session of this person ends."""
    form = _password_form(request, request.POST)
    done = attempt(form, lambda: set_password(request.actor, request.user, **form.cleaned_data) or True)
    if not done:
        return _profile_page(request, password_form=form)
    request.user.refresh_from_db()
    keep_session(request, request.user)
    messages.success(request, "Your password is set.")
    return redirect("board", request.workspace.slug)


@page("POST")
def profile_news(request: PageRequest) -> HttpResponse:
    """How one hears of each kind of news."""
    chosen = {kind.topic: request.POST[kind.topic] for kind in news.kinds() if kind.topic in request.POST}
    choose_news(request.actor, request.member, {topic: way for topic, way in chosen.items() if way in CHOICES})
    messages.success(request, "Your notifications are changed.")
    return redirect("settings_profile", request.workspace.slug)


@page("POST")
def profile_session_end(request: PageRequest, pk: int) -> HttpResponse:
    """End one session, or with 0 all but this one."""
    if pk:
        end_session(request.actor, request.user, pk)
    else:
        end_other_sessions(request.actor, request.user, but=str(request.session.session_key))
    messages.success(request, "Signed out there.")
    return redirect("settings_profile", request.workspace.slug)


@page("POST")
def hint_hide(request: PageRequest, name: str) -> HttpResponse:
    """Put a hint of the pages away; then to the page of this workspace that asked (`back`), else to the board."""
    if name not in HINTS:
        raise NotFound("hint.not_found", "There is no such hint.")
    hide_hint(request.member, name)
    back = request.POST.get("back", "")
    is_ours = back.startswith(f"/w/{request.workspace.slug}/") and url_has_allowed_host_and_scheme(back, None)
    return redirect(back) if is_ours else redirect("board", request.workspace.slug)


def _password_form(request: PageRequest, data: object = None) -> PasswordForm:
    return PasswordForm(data, has_password=request.user.has_usable_password())


def _way(member: Member, topic: str) -> str:
    return OFF if topic in member.muted else MAIL if topic in member.mailed else INBOX


def _profile_page(
    request: PageRequest,
    *,
    name_form: NameForm | None = None,
    look_form: LookForm | None = None,
    password_form: PasswordForm | None = None,
) -> HttpResponse:
    theme = request.COOKIES.get("theme", "")
    given = [form for form in (name_form, look_form, password_form) if form]
    context = {
        "name_form": name_form or NameForm(initial={"name": request.user.name}),
        "look_form": look_form or LookForm(initial={"time_zone": request.user.time_zone, "theme": theme}),
        "password_form": password_form or _password_form(request),
        "sessions": sessions_of(request.user),
        "this_session": request.session.session_key,
        "kinds": [(kind, _way(request.member, kind.topic)) for kind in news.kinds()],
        "ways": WAYS,
    }
    return render(request, "registry/profile.html", context, status=max([200, *map(status_of, given)]))
