"""Histories of prompts that were written elsewhere, as plain values: what every importer reads into, and one plan for all."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prompts_app.content import IncludePin
from registry.core.canonical import JSON
from registry.core.errors import Invalid

# Numbers go on from the highest that was imported: there has to be room for more than anybody saves.
LARGEST_NUMBER = 1_000_000

type Key = tuple[str, int]


@dataclass(frozen=True)
class Withdrawal:
    """Why and when a version was withdrawn."""

    reason: str
    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True)
class WrittenVersion:
    """One version as it was written elsewhere.

    `content` holds the content fields as an editor has them: include tags as written. `pins` say what each distinct tag
    stood for, in reading order. `digest` is what it must come to; empty where nobody said. `where` is its path in the file.
    """

    number: int
    content: Mapping[str, JSON]
    digest: str = ""
    pins: tuple[IncludePin, ...] = ()
    message: str = ""
    author: str = ""
    based_on: int | None = None
    created_at: datetime | None = None
    yank: Withdrawal | None = None
    where: str = ""


@dataclass(frozen=True)
class PromptHistory:
    """A prompt with its versions, oldest first; `labels` name versions; those of environments are information only."""

    name: str
    kind: str
    versions: tuple[WrittenVersion, ...]
    description: str = ""
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    archived_at: datetime | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    where: str = ""


def in_writing_order(histories: Iterable[PromptHistory]) -> list[tuple[PromptHistory, WrittenVersion]]:
    """Every version after the one before it and after those it includes. Raises Invalid `include.cycle`."""
    nodes: dict[Key, tuple[PromptHistory, WrittenVersion]] = {}
    after: dict[Key, list[Key]] = {}
    for history in histories:
        earlier: Key | None = None
        for version in history.versions:
            key = (history.name, version.number)
            nodes[key] = (history, version)
            after[key] = [(pin.name, pin.version) for pin in version.pins] + ([earlier] if earlier else [])
            earlier = key
    try:
        order = list(graphlib.TopologicalSorter(after).static_order())
    except graphlib.CycleError as error:
        circle = " → ".join(f"{name} v{number}" for name, number in error.args[1])
        raise Invalid("include.cycle", f"Prompts include each other in a circle: {circle}.") from None
    return [nodes[key] for key in order if key in nodes]


@dataclass(frozen=True)
class Known:
    """A version that is here already."""

    number: int
    digest: str
    is_yanked: bool = False


@dataclass(frozen=True)
class Standing:
    """A prompt as it is here now; its versions by number."""

    kind: str
    description: str
    tags: tuple[str, ...]
    is_archived: bool
    last_number: int
    versions: Sequence[Known]
    labels: Mapping[str, int] = field(default_factory=dict)


def place_of(digest: str, number: int, here: Standing | None, *, claimed: Collection[int] = ()) -> tuple[str, int]:
    """`("known", n)` where the content is there as version n, `("new", number)` where the number is free, else `("taken", number)`.

    `claimed` are numbers here that other versions of the same history stand for: content repeated later is no version of
    those.
    """
    known = here.versions if here else ()
    at_number = next((one for one in known if one.number == number), None)
    if at_number is not None and at_number.digest == digest:
        return "known", number
    same = next((one for one in known if one.digest == digest and one.number not in claimed), None)
    if same is not None:
        return "known", same.number
    if at_number is not None or (here is not None and number <= here.last_number):
        return "taken", number
    return "new", number
