"""What somebody has besides a password."""

from registry.core.models import Authenticator, Passkey, User
from registry.core.relying_party import Credential


def passkeys_of(user: User) -> list[Passkey]:
    """A person's passkeys, the oldest first."""
    return list(Passkey.objects.filter(user=user).order_by("pk"))


def has_app(user: User) -> bool:
    """Whether an authenticator app of theirs is in use."""
    return Authenticator.objects.filter(user=user, confirmed_at__isnull=False).exists()


def credentials_of(user: User) -> list[Credential]:
    """Their passkeys as the browser is told of them."""
    return [Credential(row.credential_id, tuple(row.transports)) for row in passkeys_of(user)]


def handle_of(user: User) -> str:
    """What the person's account is called on their devices; empty before the first passkey."""
    return Passkey.objects.filter(user=user).order_by("pk").values_list("handle", flat=True).first() or ""
