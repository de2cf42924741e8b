"""Passkeys: a second factor after the password, or a way in without one."""

from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from registry.core import audit, relying_party
from registry.core.actions.second_factors import (
    GUESSES_PER_MINUTE,
    add_to_factors,
    lock_factors,
    settle_factors,
    tell_of_factor,
)
from registry.core.actor import Actor
from registry.core.errors import Conflict, NotFound, Unauthenticated, invalid_field
from registry.core.limits import count
from registry.core.models import Passkey, User
from registry.core.permissions import require_confirmed
from registry.core.relying_party import AnswerRefused, Ceremony
from registry.core.sign_in_limits import count_passkey

MOST, MAX_NAME = 20, 80
WRONG = "This passkey was not accepted: it is not known here any more, or it took too long. Try again."
NOT_MADE = "The passkey was not made, or it took too long: begin again."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class AddedPasskey:
    """A passkey just added; `codes` are recovery codes, shown now or never, where it is the person's first second factor."""

    row: Passkey
    codes: list[str]


@transaction.atomic
def add_passkey(actor: Actor, user: User, *, name: str, answer: str, ceremony: Ceremony | None) -> AddedPasskey:
    """Take a passkey that was made in answer to `ceremony` into use; raises Conflict where it was not."""
    require_confirmed(actor)
    count(f"factor:{user.pk}", GUESSES_PER_MINUTE, fail_closed=True)
    name = _checked(name)
    if ceremony is None:
        raise Conflict("passkey.refused", NOT_MADE)
    try:
        made = relying_party.read_registration(answer, ceremony)
    except AnswerRefused as why:
        log.warning("passkey.refused", user_id=user.pk, why=str(why), address=actor.address)
        raise Conflict("passkey.refused", NOT_MADE) from None
    lock_factors(user)
    if Passkey.objects.filter(user=user).count() >= MOST:
        raise Conflict("passkey.too_many", f"You have {MOST} passkeys: remove one first.")
    row = Passkey(
        user=user,
        name=name,
        credential_id=made.credential.id,
        handle=ceremony.handle,
        public_key=made.public_key,
        sign_count=made.sign_count,
        transports=list(made.credential.transports),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Conflict("passkey.exists", "This passkey is in use already.") from None
    codes = add_to_factors(user)
    _record(actor, "member.passkey_added", row)
    tell_of_factor(actor, user, f"The passkey “{row.name}” was added to your account.")
    return AddedPasskey(row, codes)


@transaction.atomic
def rename_passkey(actor: Actor, user: User, pk: int, *, name: str) -> Passkey:
    """Call a passkey otherwise; raises NotFound for one of somebody else's."""
    name, row = _checked(name), _locked(user, pk)
    before, row.name = row.name, name
    row.save(update_fields=["name"])
    _record(actor, "member.passkey_renamed", row, before=before)
    return row


@transaction.atomic
def remove_passkey(actor: Actor, user: User, pk: int) -> Passkey:
    """A passkey opens nothing any more; with the last second factor recovery codes go too. Raises NotFound for somebody else's."""
    require_confirmed(actor)
    lock_factors(user)
    row = _locked(user, pk)
    Passkey.objects.filter(pk=row.pk).delete()
    settle_factors(user)
    _record(actor, "member.passkey_removed", row)
    tell_of_factor(actor, user, f"The passkey “{row.name}” was removed from your account.")
    return row


@transaction.atomic
def check_passkey(answer: str, ceremony: Ceremony | None, *, user: User | None, address: str) -> User:
    """Whose passkey answered; of `user` where it must be theirs, else of whoever has it. Its owner was made sure of by the
    device, so it stands for both factors. Raises Unauthenticated, and says no more than that."""
    if user is None:
        count_passkey(address)
    else:
        count(f"factor:{user.pk}", GUESSES_PER_MINUTE, fail_closed=True)
    try:
        return _owner(answer, ceremony, user)
    except AnswerRefused as why:
        log.warning(
            "sign_in.refused", method="passkey", user_id=user.pk if user else None, why=str(why), address=address
        )
        raise Unauthenticated("session.refused", WRONG) from None


def confirm_by_passkey(user: User, answer: str, ceremony: Ceremony | None, *, address: str) -> None:
    """Somebody who is signed in says again who they are; raises Unauthenticated."""
    check_passkey(answer, ceremony, user=user, address=address)
    log.info("sign_in.confirmed", user_id=user.pk, address=address)


def _owner(answer: str, ceremony: Ceremony | None, user: User | None) -> User:
    """Under the row's lock: of two answers by one device the second must count higher than the first."""
    given = relying_party.read_assertion(answer)
    if ceremony is None:
        raise AnswerRefused("not asked")
    rows = Passkey.objects.select_for_update(of=("self",)).select_related("user")
    row = rows.filter(credential_id=given.credential_id, user__is_active=True).first()
    if row is None or (user is not None and row.user_id != user.pk):
        raise AnswerRefused("unknown")
    # A device that keeps accounts says which one answers; after a password it may keep silent.
    if given.handle != row.handle and (given.handle or user is None):
        raise AnswerRefused("another account")
    sign_count = relying_party.check_assertion(
        given, ceremony, public_key=bytes(row.public_key), sign_count=row.sign_count
    )
    Passkey.objects.filter(pk=row.pk).update(sign_count=sign_count, last_used_at=Now())
    return row.user


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise invalid_field("name", "format", f"A name of 1 to {MAX_NAME} printable characters.")
    return name


def _locked(user: User, pk: int) -> Passkey:
    row = Passkey.objects.select_for_update(no_key=True).filter(user=user, pk=pk).first()
    if row is None:
        raise NotFound("passkey.not_found", "You have no such passkey.")
    return row


def _record(actor: Actor, event: str, row: Passkey, *, before: str = "") -> None:
    audit.record(
        actor,
        event,
        subject_type="member",
        subject_id=actor.id,
        subject_name=row.user.email,
        detail={"passkey": row.name, **({"name_before": before} if before else {})},
    )
