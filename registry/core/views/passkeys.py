"""Asking a browser for a passkey, and the way in by one."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from registry.core.actions.passkeys import check_passkey
from registry.core.ceremonies import Purpose, begin_ceremony, end_ceremony
from registry.core.errors import ConfirmationNeeded, NotFound, Unauthenticated
from registry.core.models import User
from registry.core.pages import attempt
from registry.core.passkey_queries import credentials_of, handle_of
from registry.core.relying_party import creation_options, is_offered, new_handle, request_options
from registry.core.sign_in_limits import count_ceremony
from registry.core.signing_in import is_confirmed, who_waits
from registry.core.views.sessions import PasskeyForm, let_in, onward_of, sign_in_page
from registry.core.web import address_of


@never_cache
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """What the browser is to ask the device, as JSON; it says nothing of anybody who has not shown who they are."""
    if not is_offered() or request.POST.get("purpose") not in set(Purpose):
        raise NotFound("not_found", "There is nothing at this address.")
    purpose = Purpose(request.POST["purpose"])
    count_ceremony(address_of(request))
    user = _who(request, purpose)
    if purpose is Purpose.ADD and user is not None:
        ceremony = begin_ceremony(request, purpose, user=user, handle=handle_of(user) or new_handle())
        options = creation_options(ceremony, account=user.email, person=user.name, known=credentials_of(user))
    else:
        ceremony = begin_ceremony(request, purpose, user=user)
        options = request_options(ceremony, known=credentials_of(user) if user else ())
    return HttpResponse(options, content_type="application/json")


@never_cache
@require_POST
def sign_in_passkey(request: HttpRequest) -> HttpResponse:
    """The way in by a passkey alone: it stands for both factors."""
    form = PasskeyForm(request.POST)
    ceremony = end_ceremony(request, Purpose.SIGN_IN, user=None)
    user = attempt(
        form,
        lambda: check_passkey(form.cleaned_data["credential"], ceremony, user=None, address=address_of(request)),
        also=[Unauthenticated],
    )
    if user is None:
        return sign_in_page(request, passkey_form=form)
    return let_in(request, user, onward_of(request, request.POST.get("next", "")))


def _who(request: HttpRequest, purpose: Purpose) -> User | None:
    """Whose passkey is asked for; nobody's in particular where somebody comes in without a password."""
    if purpose is Purpose.SIGN_IN:
        return None
    waiting = who_waits(request)
    found = request.user if purpose is not Purpose.CODE else waiting.user if waiting else None
    if not isinstance(found, User):
        raise Unauthenticated("session.refused", "Sign in first.")
    if purpose is Purpose.ADD and not is_confirmed(request):
        raise ConfirmationNeeded("session.unconfirmed", "Say again who you are, then this goes on.")
    return found
