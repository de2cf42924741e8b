"""Another encryption key: every stored secret is sealed again under the newest, row by row, while the server serves."""

from dataclasses import dataclass

from django.db import transaction

from registry.core.secrets import Sealed, SecretUnreadable, columns, is_sealed_with_newest_key, seal, unseal


@dataclass(frozen=True)
class Rotated:
    """What a rotation came to; `unreadable` names rows whose secret no key here opens, and why."""

    sealed: int
    newest_already: int
    unreadable: tuple[str, ...]


def rotate_encryption_keys() -> Rotated:
    """Seal again what is not under the newest key. Each row is its own transaction: stopped half way it goes on where it
    was, and readers, who try every key, notice nothing. Raises Unavailable where the server has no key at all."""
    sealed, newest, unreadable = 0, 0, []
    for place in columns():
        rows = place.model._default_manager.exclude(**{place.column: ""})
        for pk in list(rows.order_by("pk").values_list("pk", flat=True)):
            try:
                if _seal_again(place, pk):
                    sealed += 1
                else:
                    newest += 1
            except SecretUnreadable as unread:
                unreadable.append(f"{place.model._meta.label_lower} {pk}: {unread.detail}")
    return Rotated(sealed, newest, tuple(unreadable))


@transaction.atomic
def _seal_again(place: Sealed, pk: object) -> bool:
    row = place.model._default_manager.select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
    text = getattr(row, place.column, "")
    if row is None or not text:
        return False
    context = place.context(row)
    secret = unseal(text, context=context)
    if is_sealed_with_newest_key(text):
        return False
    place.model._default_manager.filter(pk=pk).update(**{place.column: seal(secret, context=context)})
    return True
