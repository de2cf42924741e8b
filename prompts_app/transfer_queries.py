"""What is exported, and what an import finds here already."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import cast

from django.db.models import F

from prompts_app.history_queries import live_deployments
from prompts_app.models import Prompt, PromptVersion, VersionLabel
from prompts_app.transfer.bundle import CLOSING, entry, opening
from prompts_app.transfer.histories import Known, Standing
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.models import Workspace
from registry.core.times import rfc3339

PROMPTS_AT_ONCE = 50


@dataclass(frozen=True)
class Wanted:
    """What of a workspace: below a folder, of one name; of each prompt the newest version alone, or the one live somewhere."""

    folder: str = ""
    name: str = ""
    newest: bool = False
    live_in: str = ""

    @property
    def is_part(self) -> bool:
        """Whether only one version of each prompt is wanted; then none without one is told."""
        return self.newest or bool(self.live_in)


def bundle_pieces(workspace: Workspace, wanted: Wanted = Wanted()) -> Iterator[str]:
    """A bundle of the workspace's prompts, archived ones too, piece by piece: four queries for every 50 prompts."""
    yield opening(workspace.slug, rfc3339(database_now()))
    rows = Prompt.objects.in_workspace(workspace.pk).in_folder(wanted.folder).defer("searchable", "search")
    rows = rows.filter(name=wanted.name) if wanted.name else rows
    after, is_first = "", True
    while batch := list(rows.filter(name__gt=after).order_by("name")[:PROMPTS_AT_ONCE]):
        for prompt in _told(batch, wanted):
            yield entry(prompt, is_first=is_first)
            is_first = False
        after = batch[-1].name
    yield CLOSING


def _told(prompts: list[Prompt], wanted: Wanted) -> Iterator[dict[str, JSON]]:
    live = live_deployments(prompts)
    rows = PromptVersion.objects.filter(prompt__in=prompts)
    if wanted.live_in:
        places = [one for found in live.values() for one in found if one.environment.name == wanted.live_in]
        rows = rows.filter(pk__in=[one.version_id for one in places])
    elif wanted.newest:
        rows = rows.filter(number=F("prompt__last_number"))
    versions: dict[int, list[PromptVersion]] = defaultdict(list)
    for row in rows.select_related("yank__by__user").order_by("prompt", "number"):
        versions[row.prompt_id].append(row)
    labels = _labels(prompts)
    for prompt in (one for one in prompts if versions[one.pk] or not wanted.is_part):
        yield {
            "name": prompt.name,
            "kind": prompt.kind,
            "description": prompt.description,
            "tags": cast("list[JSON]", list(prompt.tags)),
            "created_at": rfc3339(prompt.created_at),
            "archived_at": rfc3339(prompt.archived_at),
            "labels": {
                label: number
                for label, number in labels.get(prompt.pk, {}).items()
                if number in {one.number for one in versions[prompt.pk]}
            },
            "live": [
                {"environment": one.environment.name, "version": one.version.number, "since": rfc3339(one.created_at)}
                for one in live.get(prompt.pk, ())
                if one.version is not None
            ],
            "versions": [_version(one) for one in versions[prompt.pk]],
        }


def _version(row: PromptVersion) -> dict[str, JSON]:
    told: dict[str, JSON] = {
        "version": row.number,
        "digest": row.digest,
        "author": row.author_name,
        "message": row.message,
        "based_on": row.based_on,
        "created_at": rfc3339(row.created_at),
        "yanked": None,
        "content": row.to_json(),
    }
    if row.source:
        told["source"] = json.loads(row.source)
    if hasattr(row, "yank"):
        yank = row.yank
        told["yanked"] = {"reason": yank.reason, "at": rfc3339(yank.at), "by": yank.by.user.name}
    return told


def standings(workspace_id: int, names: Collection[str]) -> dict[str, Standing]:
    """The prompts of those names as they are here; three queries."""
    prompts = list(Prompt.objects.in_workspace(workspace_id).filter(name__in=names).defer("searchable", "search"))
    found: dict[int, list[Known]] = defaultdict(list)
    rows = PromptVersion.objects.filter(prompt__in=prompts).order_by("number")
    for prompt_id, number, digest, yank in rows.values_list("prompt", "number", "digest", "yank"):
        found[prompt_id].append(Known(number, digest, yank is not None))
    labels = _labels(prompts)
    return {
        one.name: Standing(
            one.kind,
            one.description,
            tuple(one.tags),
            one.is_archived,
            one.last_number,
            found.get(one.pk, []),
            labels.get(one.pk, {}),
        )
        for one in prompts
    }


def _labels(prompts: Collection[Prompt]) -> dict[int, dict[str, int]]:
    """Free labels of each prompt by id, and the numbers they are on; one query."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for prompt_id, name, number in VersionLabel.objects.filter(prompt__in=prompts).values_list(
        "prompt", "name", "version__number"
    ):
        found[prompt_id][name] = number
    return found
