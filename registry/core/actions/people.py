"""What people change about themselves."""

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from registry.core import audit
from registry.core.actor import Actor
from registry.core.errors import FieldError, Invalid, invalid_field
from registry.core.models import User


@transaction.atomic
def set_password(actor: Actor, user: User, *, password: str, current: str = "") -> None:
    """Set or change one's own password; raises Invalid when it is too weak, or the present one was not given."""
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.has_usable_password() and not check_password(current, user.password):
        raise invalid_field("current", "wrong", "This is not your present password.")
    try:
        validate_password(password, user)
    except ValidationError as weak:
        errors = [FieldError("password", "weak", message) for message in weak.messages]
        raise Invalid("password.weak", "Choose a password that is harder to guess.", errors=errors) from None
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.record(actor, "member.password_changed", subject_type="member", subject_id=actor.id, subject_name=user.email)


@transaction.atomic
def rename_person(actor: Actor, user: User, *, name: str) -> None:
    """Change one's own name; what was written under the old one keeps it."""
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
