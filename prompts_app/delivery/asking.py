"""What callers say in an address, and what they are told when it is not right."""

from registry.core.errors import Gone, invalid_field


def natural_number(text: str, name: str, default: int | None = None) -> int:
    """A whole number that is not negative; raises Invalid, also where it is missing and has no default."""
    if text == "" and default is not None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise invalid_field(name, "type", f"`{name}` must be a whole number that is not negative.")
    return int(text)


def changes_gone(since: int, revision: int, epoch: int) -> Gone:
    """The refusal for a client that is too far behind, or saw what this registry never was; it says where we are now."""
    detail = (
        f"Not every change since revision {since} is known here: fetch anew what you hold, and go on from {revision}."
    )
    return Gone("changes.gone", detail, revision=revision, epoch=epoch)
