"""Whose doing a version is: its author, and to whom the key was shown that it was written by."""

from collections.abc import Collection

from prompts_app.models import PromptVersion
from registry.core.actor import Actor, KeyKind
from registry.core.models import ApiKey


def written_by(version: PromptVersion, live: PromptVersion | None) -> set[tuple[int, str]]:
    """Author and name of the key (empty for none) of each version on the `based_on` chain from the candidate back to the live
    one, which is not included; and who answered for such a key when it wrote here before: they may hold it still."""
    rows = PromptVersion.objects.filter(prompt=version.prompt_id, number__lte=version.number)
    written = {row[0]: row[1:] for row in rows.values_list("number", "based_on", "author_id", "key_name")}
    by_key = {(author, key) for _, author, key in written.values() if key}
    found: set[tuple[int, str]] = set()
    number: int | None = version.number
    while number in written and number != (live.number if live else None):
        number, author, key = written.pop(number)
        found.add((author, key))
    keys = {key for _, key in found}
    return found | {(author, key) for author, key in by_key if key in keys}


def key_makers(workspace_id: int, names: Collection[str]) -> set[int]:
    """To whom keys of these names were shown: what such a key does may be their doing, whoever answers for it.

    Names of keys are permanent; where several have one name, the makers of all of them are meant.
    """
    named = [name for name in names if name]
    if not named:
        return set()
    keys = ApiKey.objects.in_workspace(workspace_id).filter(kind=KeyKind.CI, name__in=named, made_by__isnull=False)
    return set(keys.values_list("made_by_id", flat=True))


def doers(actor: Actor) -> set[int]:
    """Members whose doing it may be when this actor does something: the member, or for a key whoever answers for it and all
    to whom it was shown."""
    makers = key_makers(actor.workspace_id, {actor.name}) if actor.kind == "key" else set()
    return makers | {actor.member_id}
