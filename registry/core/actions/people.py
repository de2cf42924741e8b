"""What people change about themselves."""

from zoneinfo import available_timezones

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from registry.core import audit
from registry.core.actions.sessions import end_sessions
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid, invalid_field
from registry.core.limits import count
from registry.core.models import SignInLink, User
from registry.core.permissions import require_confirmed

GUESSES_PER_MINUTE = 10


@transaction.atomic
def set_password(actor: Actor, user: User, *, password: str, current: str = "") -> None:
    """Set or change one's own password, which ends every session and every open link of theirs; raises Invalid when it is too weak, or the present one was not given."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not user.has_usable_password():
        require_confirmed(actor)
    else:
        count(f"present:{user.pk}", GUESSES_PER_MINUTE, fail_closed=True)
        if not check_password(current, user.password):
            raise invalid_field("current", "wrong", "This is not your present password.")
    refuse_weak(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    end_sessions(user)
    SignInLink.objects.filter(user=user, used_at=None).update(used_at=Now())
    audit.record(actor, "member.password_changed", subject_type="member", subject_id=actor.id, subject_name=user.email)


def refuse_weak(password: str, user: User) -> None:
    """Raise Invalid for a password that is short, common or like the person's own name or address."""
    try:
        validate_password(password, user)
    except ValidationError as weak:
        errors = [FieldError("password", "weak", message) for message in weak.messages]
        raise Invalid("password.weak", "Choose a password that is harder to guess.", errors=errors) from None


@transaction.atomic
def sign_up(email: str, *, name: str, password: str) -> User:
    """An account of somebody new; the caller has seen their invitation. Raises Invalid where there is one already."""
    user = User(email=email, name=_checked_name(name))
    refuse_weak(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        said = "There is an account with this address: sign in, then open the link again."
        raise invalid_field("email", "taken", said) from None
    return user


@transaction.atomic
def set_time_zone(actor: Actor, user: User, *, time_zone: str) -> None:
    """In which zone times are shown to them; empty for the browser's."""
    if time_zone and time_zone not in available_timezones():
        raise invalid_field("time_zone", "unknown", "Choose a zone of the list.")
    before = User.objects.select_for_update(no_key=True).get(pk=user.pk).time_zone
    User.objects.filter(pk=user.pk).update(time_zone=time_zone)
    detail: dict[str, JSON] = {"time_zone_before": before, "time_zone": time_zone}
    audit.record(
        actor,
        "member.time_zone_changed",
        subject_type="member",
        subject_id=actor.id,
        subject_name=user.email,
        detail=detail,
    )


@transaction.atomic
def rename_person(actor: Actor, user: User, *, name: str) -> None:
    """Change one's own name; what was written under the old one keeps it. Raises Invalid."""
    name = _checked_name(name)
    before = User.objects.select_for_update(no_key=True).get(pk=user.pk).name
    User.objects.filter(pk=user.pk).update(name=name)
    audit.record(
        actor,
        "member.renamed",
        subject_type="member",
        subject_id=actor.id,
        subject_name=user.email,
        detail={"name_before": before, "name": name},
    )


def _checked_name(name: str) -> str:
    """A name as others see it: no line ends, and nothing invisible, by which two people could look alike."""
    if not name.strip() or not name.isprintable():
        raise invalid_field("name", "format", "A name of printable characters.")
    return name.strip()
