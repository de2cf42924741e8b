"""Where people's texts are kept, table by table: what an erasure looks through, and what becomes of a row that holds the text.

Each app lists its own tables when it is ready; those whose text leaves a digest behind are the affair of the app that has them.
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Model, Q, QuerySet

SHORTEST, LONGEST = 3, 1000


class Fate(StrEnum):
    """What becomes of a row: it goes; only its text goes; it stays, since it is history or somebody's to change."""

    DELETED = "deleted"
    EMPTIED = "emptied"
    KEPT = "kept"


@dataclass(frozen=True)
class Place:
    """Columns of a table that hold what people typed. `name` is plural; `workspace` leads from a row to its workspace.

    An emptied row says in the first column what was done.
    """

    name: str
    model: type[Model]
    columns: tuple[str, ...]
    fate: Fate
    workspace: str = "workspace"

    def holding(self, workspace_id: int, forms: Iterable[str]) -> QuerySet[Any]:
        """The workspace's rows that hold the text in one of its forms."""
        rows: QuerySet[Any] = self.model._default_manager.filter(**{self.workspace: workspace_id})
        return holding(rows, self.columns, forms)


_places: list[Place] = []


def keep_in_mind(*places: Place) -> None:
    """Look through these too; apps do this once, when they are ready."""
    _places.extend(place for place in places if place not in _places)


def places() -> tuple[Place, ...]:
    """All of them, in the order in which the apps came."""
    return tuple(_places)


def count_in_places(workspace_id: int, forms: Iterable[str], *fates: Fate) -> dict[str, int]:
    """How many rows of each name hold the text, where any does; one query a table."""
    wanted, found = tuple(forms), Counter[str]()
    for place in places():
        if place.fate in fates:
            found[place.name] += place.holding(workspace_id, wanted).count()
    return {name: count for name, count in found.items() if count}


def holding[Row: Model](rows: QuerySet[Row], columns: Iterable[str], forms: Iterable[str]) -> QuerySet[Row]:
    """Those rows that hold the text, whatever its case, in one of the columns."""
    wanted = tuple(forms)
    found = Q(pk__in=())
    for column in columns:
        for form in wanted:
            found |= Q(**{f"{column}__icontains": form})
    return rows.filter(found)


def forms_of(text: str) -> tuple[str, ...]:
    """The text as it may stand in a column: as typed, in both normal forms, and as JSON writes it, also JSON within JSON."""
    typed = dict.fromkeys((text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)))
    found: dict[str, None] = dict(typed)
    for one in typed:
        for is_ascii in (False, True):
            written = one
            for _ in range(2):
                written = json.dumps(written, ensure_ascii=is_ascii)[1:-1]
                found[written] = None
    return tuple(found)


def holds(value: str, forms: Iterable[str]) -> bool:
    """Whether a text holds one of the forms, whatever its case."""
    looked_at = value.upper()
    return any(form.upper() in looked_at for form in forms)
