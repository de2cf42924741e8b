"""Second factors: an authenticator app, and recovery codes for the day that it, or a passkey, is lost."""

import secrets
import time
from datetime import timedelta
from uuid import uuid4

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse

from registry.core import audit
from registry.core.actions.notifications import notify
from registry.core.actor import Actor
from registry.core.errors import Conflict, Unauthenticated, invalid_field
from registry.core.keys import hash_secret
from registry.core.limits import count
from registry.core.models import Authenticator, Passkey, RecoveryCode, User, Workspace
from registry.core.passkey_queries import has_app
from registry.core.permissions import require_confirmed
from registry.core.secrets import seal, unseal
from registry.core.totp import new_secret, step_of

CODES, CODE_LENGTH = 10, 16  # 16 characters of 31 are 79 random bits
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GUESSES_PER_MINUTE = 5
# Who knows the password has one chance in 3,300 a day to guess a code of six digits, of which three are right at a time.
GUESSES_PER_DAY, DAY_S = 100, 86_400
# Who saw a secret that was never used must not find it in use long afterwards.
WAITS_FOR = timedelta(hours=1)
CHANGED = "factor.changed"
WRONG = "This code is not right, or it was used before."

log = structlog.get_logger(__name__)


@transaction.atomic
def begin_authenticator(user: User) -> str:
    """The secret to put into an app; it counts for nothing until a first code of it was right. Asked again within an hour, it
    is the same."""
    Authenticator.objects.filter(user=user, confirmed_at=None, created_at__lt=Now() - WAITS_FOR).delete()
    row, _ = Authenticator.objects.get_or_create(user=user)
    row = Authenticator.objects.select_for_update().get(pk=row.pk)
    if row.confirmed_at is not None:
        raise Conflict("factor.exists", "There is an authenticator already: remove it first.")
    if not row.secret:
        row.secret = seal(new_secret(), context=sealing_context(row))
        row.save(update_fields=["secret"])
    return unseal(row.secret, context=sealing_context(row))


@transaction.atomic
def add_authenticator(actor: Actor, user: User, *, code: str) -> list[str]:
    """Take the app into use by a first code of it; returns recovery codes, which are shown now or never, unless there are some."""
    require_confirmed(actor)
    count(f"factor:{user.pk}", GUESSES_PER_MINUTE, fail_closed=True)
    lock_factors(user)
    row = Authenticator.objects.select_for_update().filter(user=user, confirmed_at=None).exclude(secret="").first()
    if row is None:
        raise Conflict("factor.exists", "Begin again: there is no authenticator that waits for its first code.")
    step = step_of(unseal(row.secret, context=sealing_context(row)), code, at=time.time())
    if step is None:
        raise invalid_field("code", "wrong", "This is not the code that the app shows now: are the clocks right?")
    Authenticator.objects.filter(pk=row.pk).update(confirmed_at=Now(), last_step=step)
    codes = add_to_factors(user)
    _record(actor, "member.factor_added", user)
    tell_of_factor(actor, user, "An authenticator app was added to your account.")
    return codes


@transaction.atomic
def remove_authenticator(actor: Actor, user: User) -> None:
    """Do without the app again; with the last second factor recovery codes go too."""
    require_confirmed(actor)
    lock_factors(user)
    gone, _ = Authenticator.objects.filter(user=user).delete()
    settle_factors(user)
    if gone:
        _record(actor, "member.factor_removed", user)
        tell_of_factor(actor, user, "The authenticator app was removed from your account.")


@transaction.atomic
def remove_second_factors(actor: Actor, user: User) -> None:
    """Take every second factor from a person, for somebody who lost them all."""
    require_confirmed(actor)
    lock_factors(user)
    Authenticator.objects.filter(user=user).delete()
    Passkey.objects.filter(user=user).delete()
    settle_factors(user)
    _record(actor, "member.factors_removed", user)
    tell_of_factor(actor, user, "Every second factor was removed from your account.")


@transaction.atomic
def renew_recovery_codes(actor: Actor, user: User) -> list[str]:
    """Other recovery codes, shown now or never; the earlier ones open nothing any more."""
    require_confirmed(actor)
    if not lock_factors(user).has_second_factor:
        raise Conflict("factor.none", "Recovery codes belong to a second factor: set one up first.")
    _record(actor, "member.recovery_codes_renewed", user)
    return _new_codes(user)


def lock_factors(user: User) -> User:
    """The person's row, locked until commit: whoever adds or removes a second factor of theirs comes one after the other."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def add_to_factors(user: User) -> list[str]:
    """Note, under the lock, that the person has one more second factor; returns recovery codes where it is the first."""
    had_some = not User.objects.filter(pk=user.pk, has_second_factor=False).update(has_second_factor=True)
    return [] if had_some else _new_codes(user)


def settle_factors(user: User) -> None:
    """Note, under the lock, that one is gone: recovery codes belong to whoever has another second factor."""
    if not has_app(user) and not Passkey.objects.filter(user=user).exists():
        RecoveryCode.objects.filter(user=user).delete()
        User.objects.filter(pk=user.pk).update(has_second_factor=False)


def tell_of_factor(actor: Actor, user: User, text: str) -> None:
    """A line in the person's own inbox, also where they did it themselves: it may have been somebody else."""
    workspace = Workspace.objects.get(pk=actor.workspace_id)
    url = reverse("settings_security", args=[workspace.slug])
    notify(workspace.pk, [user.pk], event_id=uuid4(), topic=CHANGED, text=text, url=url)


@transaction.atomic
def check_factor(user: User, code: str, *, address: str) -> None:
    """A code of the person's app, or one of their recovery codes; each works once. Raises Unauthenticated, and TooManyRequests."""
    count(f"factor:{user.pk}", GUESSES_PER_MINUTE, fail_closed=True)
    count(f"codes:{user.pk}", GUESSES_PER_DAY, fail_closed=True, window_s=DAY_S)
    if _is_code_of_app(user, code) or _is_recovery_code(user, code):
        return
    log.warning("sign_in.refused", method="second_factor", user_id=user.pk, address=address)
    raise Unauthenticated("session.refused", WRONG)


def recovery_codes_left(user: User) -> int:
    """How many recovery codes were not used."""
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


def _is_code_of_app(user: User, code: str) -> bool:
    row = Authenticator.objects.filter(user=user, confirmed_at__isnull=False).first()
    if row is None:
        return False
    step = step_of(unseal(row.secret, context=sealing_context(row)), code, at=time.time())
    if step is None:
        return False
    unused = Authenticator.objects.filter(pk=row.pk, last_step__lt=step)
    return bool(unused.update(last_step=step, last_used_at=Now()))


def _is_recovery_code(user: User, code: str) -> bool:
    plain = "".join(c for c in code.lower() if c.isalnum())
    unused = RecoveryCode.objects.filter(user=user, code_hash=_hash(user, plain), used_at=None)
    used = bool(unused.update(used_at=Now()))
    if used:
        log.warning("sign_in.recovery_code_used", user_id=user.pk)
    return used


def _new_codes(user: User) -> list[str]:
    RecoveryCode.objects.filter(user=user).delete()
    plain = ["".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    RecoveryCode.objects.bulk_create([RecoveryCode(user=user, code_hash=_hash(user, code)) for code in plain])
    return ["-".join(code[at : at + 4] for at in range(0, CODE_LENGTH, 4)) for code in plain]


def _hash(user: User, code: str) -> str:
    return hash_secret(f"{user.pk}:{code}")


def sealing_context(row: Authenticator) -> str:
    """What the secret of a row is bound to."""
    return f"authenticator:{row.pk}"


def _record(actor: Actor, event: str, user: User) -> None:
    audit.record(actor, event, subject_type="member", subject_id=actor.id, subject_name=user.email)
