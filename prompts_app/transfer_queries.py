"""What is exported, and what an import finds here already."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import cast

from prompts_app.history_queries import live_deployments
from prompts_app.models import Prompt, PromptVersion
from prompts_app.transfer.bundle import CLOSING, entry, opening
from prompts_app.transfer.histories import Known, Standing
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.models import Workspace
from registry.core.times import rfc3339

PROMPTS_AT_ONCE = 50


def bundle_pieces(workspace: Workspace, *, folder: str = "", name: str = "") -> Iterator[str]:
    """A bundle of the workspace's prompts, archived ones too, piece by piece: three queries for every 50 prompts."""
    yield opening(workspace.slug, rfc3339(database_now()))
    rows = Prompt.objects.in_workspace(workspace.pk).in_folder(folder).defer("searchable", "search")
    rows = rows.filter(name=name) if name else rows
    after, is_first = "", True
    while batch := list(rows.filter(name__gt=after).order_by("name")[:PROMPTS_AT_ONCE]):
        for prompt in _told(batch):
            yield entry(prompt, is_first=is_first)
            is_first = False
        after = batch[-1].name
    yield CLOSING


def _told(prompts: list[Prompt]) -> Iterator[dict[str, JSON]]:
    live = live_deployments(prompts)
    rows = (
        PromptVersion.objects.filter(prompt__in=prompts).select_related("yank__by__user").order_by("prompt", "number")
    )
    versions: dict[int, list[PromptVersion]] = defaultdict(list)
    for row in rows:
        versions[row.prompt_id].append(row)
    for prompt in prompts:
        yield {
            "name": prompt.name,
            "kind": prompt.kind,
            "description": prompt.description,
            "tags": cast("list[JSON]", list(prompt.tags)),
            "created_at": rfc3339(prompt.created_at),
            "archived_at": rfc3339(prompt.archived_at),
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
    """The prompts of those names as they are here; two queries."""
    prompts = list(Prompt.objects.in_workspace(workspace_id).filter(name__in=names).defer("searchable", "search"))
    found: dict[int, list[Known]] = defaultdict(list)
    rows = PromptVersion.objects.filter(prompt__in=prompts).order_by("number")
    for prompt_id, number, digest, yank in rows.values_list("prompt", "number", "digest", "yank"):
        found[prompt_id].append(Known(number, digest, yank is not None))
    return {
        one.name: Standing(
            one.kind, one.description, tuple(one.tags), one.is_archived, one.last_number, found.get(one.pk, [])
        )
        for one in prompts
    }
