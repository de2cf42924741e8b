"""Texts taken out of the tables that all apps keep in mind; the action that asks for it has asked for rights, and records itself."""

from collections import Counter
from collections.abc import Iterable

from registry.core.texts import Fate, places


def erase_in_places(workspace_id: int, forms: Iterable[str], *, told: str) -> dict[str, int]:
    """Delete, or empty, each row of the workspace that holds the text in one of its forms; how many of each name.

    `told` stands where a text was emptied.
    """
    wanted, gone = tuple(forms), Counter[str]()
    for place in places():
        rows = place.holding(workspace_id, wanted)
        if place.fate is Fate.DELETED:
            gone[place.name] += rows.count()
            rows.delete()
        elif place.fate is Fate.EMPTIED:
            first, *others = place.columns
            gone[place.name] += rows.update(**{first: told, **dict.fromkeys(others, "")})
    return {name: count for name, count in gone.items() if count}
