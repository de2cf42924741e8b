"""One prompt over time: where it is live, what its versions went through, which drafts and promotions are open."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from prompts_app.board_queries import check_states
from prompts_app.evaluation import Answer
from prompts_app.label_queries import Pointing, free_labels
from prompts_app.models import (
    Deployment,
    Draft,
    Environment,
    LivePointer,
    Promotion,
    Prompt,
    PromptVersion,
    Quarantine,
    VersionCheck,
)
from prompts_app.observation_queries import Reported, reported

PAGE_SIZE = 50


@dataclass(frozen=True)
class Held:
    """A content that an environment does not take again until somebody clears it: the version as which it was live there, who
    took it out and why."""

    environment: Environment
    digest: str
    number: int
    at: datetime
    by: str
    reason: str


@dataclass(frozen=True)
class Stage:
    """A prompt in one environment; `deployment` is None where nothing is live. `promotions` are those on their way there, with
    what the checks say of their versions; `held` is what was live and is quarantined."""

    environment: Environment
    deployment: Deployment | None
    check: Answer | None
    behind: int
    promotions: tuple[tuple[Promotion, Answer | None], ...]
    held: tuple[Held, ...]

    @property
    def version(self) -> PromptVersion | None:
        """The version that is live."""
        return self.deployment.version if self.deployment else None


@dataclass(frozen=True)
class Stay:
    """A time during which a version was live somewhere; `until` is None while it is."""

    environment: Environment
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Entry:
    """A version on the timeline; `stays` are the times it was live, newest first."""

    version: PromptVersion
    check: Answer | None
    live_in: tuple[Environment, ...]
    held: tuple[Held, ...]
    yank_reason: str | None
    labels: tuple[Pointing, ...]
    reported: Reported | None
    stays: tuple[Stay, ...] = ()


@dataclass(frozen=True)
class Timeline:
    """One page of versions, newest first."""

    entries: tuple[Entry, ...]
    page: "Page[PromptVersion]"


def stages(prompt: Prompt) -> tuple[Stage, ...]:
    """The prompt in each environment, by rank. Five queries."""
    pointers = LivePointer.objects.live().filter(prompt=prompt).select_related("deployment__version")
    live = {pointer.environment_id: pointer.deployment for pointer in pointers}
    checks = check_states([prompt])
    pending: dict[int, list[tuple[Promotion, Answer | None]]] = defaultdict(list)
    for promotion in Promotion.objects.pending().filter(prompt=prompt).select_related("version").order_by("-pk"):
        check = checks.get((prompt.pk, promotion.version.digest))
        pending[promotion.environment_id].append((promotion, check))
    environments = list(Environment.objects.in_workspace(prompt.workspace_id))
    held = held_back(prompt, environments)
    found = []
    for environment in environments:
        deployment = live.get(environment.pk)
        version = deployment.version if deployment else None
        check = checks.get((prompt.pk, version.digest)) if version else None
        behind = prompt.last_number - version.number if version else 0
        here = tuple(one for one in held if one.environment == environment)
        found.append(Stage(environment, deployment, check, behind, tuple(pending[environment.pk]), here))
    return tuple(found)


def held_back(prompt: Prompt, among: Iterable[Environment]) -> tuple[Held, ...]:
    """What of the prompt is quarantined in these environments, the newest first; one query."""
    environments = {one.pk: one for one in among}
    rows = Quarantine.objects.filter(prompt=prompt, environment__in=list(environments), cleared_at=None).order_by("-pk")
    about = ("digest", "deployment__previous__version__number", "created_at")
    found = rows.values_list("environment", *about, "deployment__actor_name", "deployment__reason")
    return tuple(Held(environments[pk], *rest) for pk, *rest in found)


def timeline(prompt: Prompt, *, page: str | int | None = 1) -> Timeline:
    """One page of the prompt's versions. Nine queries, whatever their number."""
    rows = PromptVersion.objects.filter(prompt=prompt).defer("content", "source").select_related("yank")
    found: Page[PromptVersion] = Paginator(rows, PAGE_SIZE).get_page(page)
    environments = Environment.objects.in_workspace(prompt.workspace_id)
    return Timeline(tuple(_entries(prompt, list(found.object_list), environments)), found)


def entry(version: PromptVersion, environments: Iterable[Environment]) -> Entry:
    """One version with what it went through in the workspace's environments; its prompt must be loaded."""
    return next(iter(_entries(version.prompt, [version], environments)))


def checks_of(version: PromptVersion) -> QuerySet[VersionCheck]:
    """The newest answer of each check, for each content it was compared with, and whether that `is_replaced`, live nowhere
    any more; newest first."""
    rows = VersionCheck.objects.filter(prompt=version.prompt, digest=version.digest)
    newest = rows.order_by("name", "baseline_digest", "-pk").distinct("name", "baseline_digest")
    live = LivePointer.objects.filter(prompt=version.prompt, deployment__version__digest=OuterRef("baseline_digest"))
    is_replaced = Q(baseline_digest__isnull=False) & ~Exists(live)
    return VersionCheck.objects.filter(pk__in=newest.values("pk")).annotate(is_replaced=is_replaced)


def numbers(prompt: Prompt) -> list[tuple[int, str, str]]:
    """Number, message and author of every version, newest first: what one chooses from."""
    rows = PromptVersion.objects.filter(prompt=prompt).order_by("-number")
    return list(rows.values_list("number", "message", "author_name"))


def live_numbers(prompt: Prompt) -> list[tuple[Environment, int]]:
    """Each environment in which something of the prompt is live, with the version's number, by rank. Two queries."""
    live = LivePointer.objects.live().filter(prompt=prompt).values_list("environment", "deployment__version__number")
    found = dict(live)
    environments = Environment.objects.in_workspace(prompt.workspace_id)
    return [(one, found[one.pk]) for one in environments if one.pk in found]


def draft_of(prompt: Prompt, member_id: int) -> Draft | None:
    """What a member has typed and not saved."""
    return Draft.objects.filter(prompt=prompt, member_id=member_id).first()


def drafts_of_others(prompt: Prompt, member_id: int, *, since: datetime) -> list[Draft]:
    """What others have typed since then and not saved, newest first, with who they are; one query."""
    rows = Draft.objects.filter(prompt=prompt, updated_at__gte=since).exclude(member_id=member_id)
    return list(rows.select_related("member__user").order_by("-updated_at")[:5])


def newest_numbers(workspace_id: int, names: Iterable[str]) -> dict[str, int]:
    """For each prompt by name, its newest version that was not withdrawn; one query."""
    rows = PromptVersion.objects.in_workspace(workspace_id).filter(prompt__name__in=list(names), yank=None)
    return dict(rows.order_by().values_list("prompt__name").annotate(newest=Max("number")))


def includable(workspace_id: int, text: str, *, most: int = 20) -> list[tuple[str, int, str]]:
    """Text prompts with a version whose names hold `text`: name, newest number and description; one query."""
    rows = Prompt.objects.in_workspace(workspace_id).filter(kind="text", archived_at=None, last_number__gt=0)
    found = rows.filter(name__icontains=text) if text else rows
    return list(found.order_by("name").values_list("name", "last_number", "description")[:most])


def _entries(prompt: Prompt, versions: Sequence[PromptVersion], among: Iterable[Environment]) -> list[Entry]:
    environments = {one.pk: one for one in among}
    by_digest: dict[int, str] = {version.pk: version.digest for version in versions}
    live = set(
        LivePointer.objects.live()
        .filter(prompt=prompt, deployment__version__in=list(by_digest))
        .values_list("deployment__version", "environment")
    )
    stays = _stays(prompt, environments)
    held = held_back(prompt, environments.values())
    checks = check_states([prompt])
    labels: dict[int, list[Pointing]] = defaultdict(list)
    free = free_labels().filter(version__in=list(by_digest))
    for pk, name, since in free.values_list("version", "name", "moved_at"):
        labels[pk].append(Pointing(name, since))
    told = reported(versions)

    return [
        Entry(
            version=version,
            check=checks.get((prompt.pk, version.digest)),
            live_in=tuple(one for pk, one in environments.items() if (version.pk, pk) in live),
            held=tuple(one for one in held if one.digest == version.digest),
            yank_reason=version.yank.reason if hasattr(version, "yank") else None,
            labels=tuple(labels[version.pk]),
            reported=told.get(version.pk),
            stays=tuple(sorted(stays[version.pk], key=lambda stay: stay.since, reverse=True)),
        )
        for version in versions
    ]


def _stays(prompt: Prompt, environments: dict[int, Environment]) -> dict[int, list[Stay]]:
    """When each version of the prompt was live where, by the version's id; one query."""
    rows = Deployment.objects.filter(prompt=prompt).order_by("environment", "pk")
    history = list(rows.values_list("environment", "version", "created_at"))
    found: dict[int, list[Stay]] = defaultdict(list)
    begun: tuple[int, int, datetime] | None = None
    for place, version, at in [*history, (0, None, None)]:
        if begun is not None and (place, version) == begun[:2]:
            continue
        if begun is not None and begun[0] in environments:
            found[begun[1]].append(Stay(environments[begun[0]], begun[2], at if place == begun[0] else None))
        begun = (place, version, at) if version is not None and at is not None else None
    return found


def live_names(versions: Iterable[PromptVersion]) -> dict[int, list[str]]:
    """For each version by id, the environments in which it is live, by rank; one query."""
    pointers = LivePointer.objects.filter(deployment__version__in=[version.pk for version in versions])
    found: dict[int, list[str]] = defaultdict(list)
    for version_id, name in pointers.order_by("environment__rank", "environment_id").values_list(
        "deployment__version_id", "environment__name"
    ):
        found[version_id].append(name)
    return found


def live_deployments(prompts: Iterable[Prompt]) -> dict[int, list[Deployment]]:
    """For each prompt by id, what is live of it, by rank, with version and environment; one query."""
    pointers = LivePointer.objects.live().filter(prompt__in=[prompt.pk for prompt in prompts])
    rows = pointers.select_related("environment", "deployment__version", "deployment__environment")
    found: dict[int, list[Deployment]] = defaultdict(list)
    for pointer in rows.order_by("environment__rank", "environment_id"):
        if pointer.deployment is not None:
            found[pointer.prompt_id].append(pointer.deployment)
    return found
