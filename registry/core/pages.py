"""Pages of a workspace: who reads them, and forms whose refusals stay beside what was typed."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import resolve_url
from django.utils import timezone
from django_htmx.http import HttpResponseClientRefresh

from registry.core.canonical import is_storable
from registry.core.errors import Conflict, Invalid, NotFound, RegistryError
from registry.core.identity import actor_of_member, memberships
from registry.core.limits import count
from registry.core.models import User
from registry.core.signing_in import is_confirmed
from registry.core.times import is_tellable
from registry.core.web import PageRequest, address_of, is_by_itself, request_id_of

type View = Callable[..., HttpResponse]


def page(*methods: str) -> Callable[[View], View]:
    """A view of a signed-in member inside the workspace of the address: others sign in first, or get 404.

    `methods` are what it answers to; none given means reading only. The page may not be kept by caches. What is sent to
    pages is counted by person, as calls of the API are.
    """
    allowed = methods or ("GET", "HEAD")

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, workspace: str, **kwargs: Any) -> HttpResponse:
            if not isinstance(request.user, User):
                return _sign_in_first(cast("PageRequest", request))
            if request.method not in allowed:
                return HttpResponseNotAllowed(allowed)
            asked = [*kwargs.values(), *(value for _, values in request.GET.lists() for value in values)]
            if not all(is_storable(part) for part in asked if isinstance(part, str)):
                raise NotFound("not_found", "There is nothing at this address.")
            entered = _enter(cast("PageRequest", request), workspace)
            if request.method == "POST":
                count(f"page:{entered.actor.id}", settings.API_REQUESTS_PER_MINUTE)
            with timezone.override(entered.user.time_zone or None):
                response = view(entered, **kwargs)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    return decorate


def _sign_in_first(request: PageRequest) -> HttpResponse:
    if is_by_itself(request):
        return HttpResponse(status=204)  # what is being written on the page is not lost for it
    if request.htmx:
        return HttpResponseClientRefresh()
    return redirect_to_login(request.get_full_path(), resolve_url("sign_in"))


def _enter(request: PageRequest, slug: str) -> PageRequest:
    request.memberships = memberships(request.user)
    member = next((one for one in request.memberships if one.workspace.slug == slug), None)
    if member is None:
        raise NotFound("workspace.not_found", "There is no such workspace, or you are no member of it.")
    request.member, request.workspace = member, member.workspace
    origin = {"request_id": request_id_of(request), "address": address_of(request)}
    request.actor = actor_of_member(member, **origin, is_confirmed=is_confirmed(request))
    return request


# What Django says of numbers out of bounds reads like a note to a programmer.
IN_PLAIN_WORDS = {"min_value": "At least %(limit_value)s.", "max_value": "At most %(limit_value)s."}


class PageForm(forms.Form):
    """A form drawn by `ui/field.html`."""

    required_css_class = "required"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.error_messages = {**IN_PLAIN_WORDS, **field.error_messages}
            if not isinstance(field.widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
                shown = f"input {field.widget.attrs.get('class', '')}".strip()
                field.widget.attrs["class"] = shown


def attempt[Done](
    form: forms.Form, action: Callable[[], Done], *, also: Iterable[type[RegistryError]] = ()
) -> Done | None:
    """Does `action` if the form is valid; what it refuses as invalid or in conflict becomes the form's errors and None."""
    if not form.is_valid():
        return None
    refusals: tuple[type[RegistryError], ...] = (Invalid, Conflict, *also)
    try:
        return action()
    except refusals as refused:
        say(form, refused)
        return None


def say(form: forms.Form, refused: RegistryError) -> None:
    """Puts a refusal where it belongs: beside its field, or above the form."""
    elsewhere = [f"{error.field}: {error.message}" for error in refused.errors if error.field not in form.fields]
    for error in refused.errors:
        if error.field in form.fields:
            form.add_error(error.field, error.message)
    if elsewhere or not refused.errors:
        form.add_error(None, [refused.detail, *elsewhere])


def read_moment(text: str) -> datetime | None:
    """A moment as a form sends it; without a zone it is UTC. None for what is no moment, or one of no calendar in use."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if is_tellable(moment) else None


def status_of(form: forms.Form) -> int:
    """422 for a form that was refused, 200 otherwise."""
    return 422 if form.is_bound and form.errors else 200
