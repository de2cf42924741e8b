"""Includes from both sides: what a version has of other prompts, and which prompts have the text of one in them."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.postgres.search import SearchQuery
from django.db.models import F

from prompts_app.history_queries import newest_numbers
from prompts_app.includes import IncludeTag, distinct_tags
from prompts_app.label_queries import labelled_version
from prompts_app.models import Prompt, PromptVersion
from prompts_app.models.prompt import SEARCH_CONFIG

MOST_INCLUDING = 100
# Stands in every tag, and so in the searchable text of whatever includes something.
TAG_WORD = SearchQuery("langfusePrompt", config=SEARCH_CONFIG)


@dataclass(frozen=True)
class Included:
    """A text that a version has in it, at the number it was saved with, and the newest number there is.

    In what is not saved yet, `label` is the one that stands in the tag instead of a number.
    """

    name: str
    version: int
    newest: int
    label: str | None = None

    @property
    def is_older(self) -> bool:
        """Whether there is a newer one."""
        return self.version < self.newest


@dataclass(frozen=True)
class Including:
    """A prompt whose newest version has another's text in it: at which numbers, and whether it would have a newer one if
    it were saved anew."""

    version: PromptVersion
    numbers: tuple[int, ...]
    is_behind: bool


def included_in(version: PromptVersion) -> list[Included]:
    """What a version has of other prompts, in reading order; one query, none where it includes nothing."""
    pins = version.load().includes
    newest = newest_numbers(version.prompt.workspace_id, {pin.name for pin in pins}) if pins else {}
    return [Included(pin.name, pin.version, newest.get(pin.name, pin.version)) for pin in pins]


def including(prompt: Prompt) -> list[Including]:
    """Prompts that include this one, by name, a hundred at most. One query where there are none; else two, and one or two
    for each label by which they do."""
    with_tags = Prompt.objects.in_workspace(prompt.workspace_id).archived(False).filter(search=TAG_WORD)
    mark = json.dumps(f"name={prompt.name}|", ensure_ascii=False)[1:-1]
    rows = PromptVersion.objects.filter(prompt__in=with_tags, number=F("prompt__last_number"), source__contains=mark)
    rows = rows.select_related("prompt").defer("prompt__searchable", "prompt__search")
    versions = list(rows.order_by("prompt__name")[:MOST_INCLUDING])
    if not versions:
        return []
    newest = newest_numbers(prompt.workspace_id, {prompt.name}).get(prompt.name, 0)
    by_label: dict[str, int] = {}

    def now(tag: IncludeTag) -> int:
        if tag.version is not None or tag.label is None:
            return max(newest, tag.version or 0)
        if tag.label not in by_label:
            found = labelled_version(prompt, tag.label)
            by_label[tag.label] = found.number if found else 0
        return by_label[tag.label]

    return [one for version in versions if (one := _including(version, prompt.name, now))]


def _including(version: PromptVersion, name: str, now: Callable[[IncludeTag], int]) -> Including | None:
    """How a version includes the prompt of that name, None where it does not; `now` says what a tag would stand for, 0 for
    nothing."""
    pinned = zip(distinct_tags(version.written()), version.load().includes, strict=True)
    found = [(tag, pin.version) for tag, pin in pinned if pin.name == name]
    if not found:
        return None
    is_behind = any(0 < now(tag) != number for tag, number in found)
    return Including(version, tuple(dict.fromkeys(number for _, number in found)), is_behind)
