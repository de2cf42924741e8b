"""The list of prompts: one row a prompt, with those of its versions that the filters leave."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.dateparse import parse_datetime

from prompts_app.compat.langfuse.bodies import whole_number
from prompts_app.compat.langfuse.reading import Reader, instant, visible_labels
from prompts_app.label_queries import LATEST, Pointing, free_labels, labels_of
from prompts_app.models import LivePointer, Prompt, PromptVersion, VersionLabel
from registry.core.canonical import JSON, is_storable
from registry.core.errors import invalid_field

PAGE_SIZE, LONGEST_PAGE = 10, 100


@dataclass(frozen=True)
class Wanted:
    """What a client filters by."""

    name: str
    label: str
    tag: str
    since: datetime | None
    before: datetime | None
    page: int
    limit: int


def wanted(query: Mapping[str, str]) -> Wanted:
    """The filters of a query; raises Invalid. Others are ignored, but not `filter`: the answer would be another one."""
    if query.get("filter"):
        raise invalid_field("filter", "unsupported", "Filter by name, label, tag, fromUpdatedAt and toUpdatedAt here.")
    for name in ("name", "label", "tag"):
        if not is_storable(query.get(name, "")):
            raise invalid_field(name, "character", "must not have NUL or lone surrogates")
    return Wanted(
        name=query.get("name", ""),
        label=query.get("label", ""),
        tag=query.get("tag", ""),
        since=_moment(query, "fromUpdatedAt"),
        before=_moment(query, "toUpdatedAt"),
        page=whole_number(query, "page") or 1,
        limit=min(whole_number(query, "limit") or PAGE_SIZE, LONGEST_PAGE),
    )


def list_prompts(reader: Reader, asked: Wanted) -> dict[str, JSON]:
    """One page by name. Archived prompts and withdrawn versions are not listed."""
    paginator = Paginator(_prompts(reader, asked), asked.limit)
    page = paginator.get_page(asked.page) if asked.page <= paginator.num_pages else None
    prompts = list(page.object_list) if page else []
    return {
        "data": [*_rows(reader, asked, prompts)],
        "meta": {
            "page": asked.page,
            "limit": asked.limit,
            "totalItems": paginator.count,
            "totalPages": paginator.num_pages if paginator.count else 0,
        },
    }


def _prompts(reader: Reader, asked: Wanted) -> QuerySet[Prompt]:
    of_prompt = PromptVersion.objects.filter(prompt=OuterRef("pk"), yank=None)
    rows = Prompt.objects.in_workspace(reader.workspace_id).archived(False)
    rows = rows.filter(_has(_seen(reader, asked, of_prompt)))
    rows = rows.filter(name=asked.name) if asked.name else rows
    rows = rows.filter(tags__contains=[asked.tag]) if asked.tag else rows
    return rows.defer("searchable", "search").order_by("name")


def _seen(reader: Reader, asked: Wanted, rows: QuerySet[PromptVersion]) -> QuerySet[PromptVersion]:
    """The versions that the reader may list and that the filters leave."""
    live = LivePointer.objects.filter(deployment__version=OuterRef("pk"), environment__archived_at=None)
    labels = free_labels().filter(version=OuterRef("pk"))
    if reader.is_service:
        rows = rows.filter(_has(live.filter(environment__name=reader.environment)))
    if asked.label and asked.label != LATEST:
        named = _has(live.filter(environment__name=asked.label))
        rows = rows.filter(named if reader.is_service else named | _has(labels.filter(name=asked.label)))
    elif asked.label:
        newer = PromptVersion.objects.filter(prompt=OuterRef("prompt"), yank=None, number__gt=OuterRef("number"))
        rows = rows.none() if reader.is_service else rows.filter(~Exists(newer))
    for moment, step in ((asked.since, "gte"), (asked.before, "lt")):
        if moment is not None:
            rows = rows.filter(
                Q(**{f"created_at__{step}": moment})
                | _has(live.filter(**{f"deployment__created_at__{step}": moment}))
                | _has(labels.filter(**{f"moved_at__{step}": moment}))
            )
    return rows


def _rows(reader: Reader, asked: Wanted, prompts: Sequence[Prompt]) -> list[JSON]:
    found = _seen(reader, asked, PromptVersion.objects.filter(prompt__in=prompts, yank=None))
    versions: dict[int, list[PromptVersion]] = defaultdict(list)
    for version in found.defer("content", "source", "message").order_by("number"):
        versions[version.prompt_id].append(version)
    newest = [listed[-1].pk for listed in versions.values()]
    configs = {one.prompt_id: one.to_json()["config"] for one in PromptVersion.objects.filter(pk__in=newest)}
    pointing = labels_of(version for listed in versions.values() for version in listed)
    rows: list[JSON] = []
    for prompt in prompts:
        listed = versions[prompt.pk]
        labels = [one for version in listed for one in visible_labels(reader, pointing.get(version.pk, ()))]
        rows.append(_row(prompt, listed, labels, configs.get(prompt.pk)))
    return rows


def _row(prompt: Prompt, versions: Sequence[PromptVersion], labels: Sequence[Pointing], config: JSON) -> JSON:
    moments = [*(one.created_at for one in versions), *(one.since for one in labels), prompt.created_at]
    return {
        "name": prompt.name,
        "type": prompt.kind,
        "versions": [version.number for version in versions],
        "labels": [one.name for one in labels],
        "tags": list(prompt.tags),
        "lastUpdatedAt": instant(max(moments)),
        "lastConfig": config,
    }


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise invalid_field(name, "format", "must be a time such as 2030-01-31T09:00:00Z")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _has(rows: QuerySet[LivePointer] | QuerySet[VersionLabel] | QuerySet[PromptVersion]) -> Q:
    return Q(Exists(rows))
