"""An environment over time: what is live in it, what was deployed, and where one could go back to."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from prompts_app.facts import (
    breaking_changes,
    current_policy,
    live_deployment,
    quarantined,
    way_back_by_default,
)
from prompts_app.models import (
    Deployment,
    Environment,
    EnvironmentRevision,
    Freeze,
    LivePointer,
    PolicyVersion,
    Prompt,
    PromptVersion,
    Quarantine,
    VersionYank,
)

PAGE_SIZE = 50
TARGETS = 30
LIVE_SHOWN = 12


@dataclass(frozen=True)
class Overview:
    """An environment as its page shows it; `lower` is the next stage below."""

    environment: Environment
    policy: PolicyVersion
    revision: int
    live: int
    lower: Environment | None
    freezes: tuple[Freeze, ...]
    active_freezes: frozenset[int]
    quarantines: tuple[Quarantine, ...]


@dataclass(frozen=True)
class Target:
    """An earlier deployment one could go back to; `obstacle` says why not, empty where one can."""

    deployment: Deployment
    is_live: bool
    is_quarantined: bool
    is_yanked: bool


@dataclass(frozen=True)
class WayBack:
    """Going back in one place: from what is live to `target` (None where nothing else was ever live here)."""

    live: Deployment | None
    target: Deployment | None
    targets: tuple[Target, ...]
    breaking: tuple[str, ...]
    is_quarantined: bool

    @property
    def version(self) -> PromptVersion | None:
        """The version that would be live again."""
        return self.target.version if self.target else None

    @property
    def others(self) -> tuple[Target, ...]:
        """The deployments whose content is not the one that is live."""
        return tuple(one for one in self.targets if not one.is_live)


def unguarded(workspace_id: int) -> list[str]:
    """Labels of the environments in which a version goes live by being saved: their rules ask for nothing else."""
    places = Environment.objects.in_workspace(workspace_id)
    policies = PolicyVersion.objects.filter(environment__in=places.order_by()).select_related("environment")
    newest = policies.order_by("environment", "-number").distinct("environment")
    open_ones = [policy.environment for policy in newest if policy.load().asks_nothing]
    return [place.label for place in sorted(open_ones, key=lambda place: place.rank)]


def overview(environment: Environment) -> Overview:
    """The environment without its deployments. Seven queries."""
    ranks = Environment.objects.in_workspace(environment.workspace_id).filter(rank__lt=environment.rank)
    freezes = Freeze.objects.filter(environment=environment).order_by("-ends_at")[:20]
    active = Freeze.objects.filter(environment=environment).covering_now().values_list("pk", flat=True)
    quarantines = Quarantine.objects.filter(environment=environment, cleared_at=None)
    return Overview(
        environment=environment,
        policy=current_policy(environment),
        revision=EnvironmentRevision.objects.get(environment=environment).n,
        live=LivePointer.objects.live().filter(environment=environment).count(),
        lower=ranks.last(),
        freezes=tuple(freezes),
        active_freezes=frozenset(active),
        quarantines=tuple(quarantines.select_related("prompt", "deployment__previous__version").order_by("-pk")[:50]),
    )


def live_now(environment: Environment, *, prompt: str = "") -> list[LivePointer]:
    """What went live here last and still is, the newest first, one more than is shown; one query."""
    rows = LivePointer.objects.live().filter(environment=environment)
    if prompt:
        rows = rows.filter(prompt__name__icontains=prompt)
    # By the id: ordered by a relation, rows come in its own order, which is the newest first, so that "-" would turn it round.
    return list(rows.select_related("prompt", "deployment__version").order_by("-deployment_id")[: LIVE_SHOWN + 1])


def deployments(environment: Environment, *, prompt: str = "", page: str | int | None = 1) -> "Page[Deployment]":
    """One page of what was deployed, newest first; two queries. To those that are `is_returnable` one can go back: their
    content is neither live here now nor quarantined. Of those that are `is_holding` what they replaced is quarantined."""
    of_it, content = OuterRef("prompt"), OuterRef("version__digest")
    live = LivePointer.objects.filter(environment=environment, prompt=of_it, deployment__version__digest=content)
    barred = Quarantine.objects.filter(environment=environment, prompt=of_it, digest=content, cleared_at=None)
    # Looked up for the rows of the page: `Exists` would have PostgreSQL read all that is live here first.
    found = Deployment.objects.filter(environment=environment).alias(
        live_as=Subquery(live.values("pk")[:1]), barred_as=Subquery(barred.values("pk")[:1])
    )
    is_returnable = Q(version__isnull=False, live_as__isnull=True, barred_as__isnull=True)
    is_holding = Exists(Quarantine.objects.filter(deployment=OuterRef("pk"), cleared_at=None))
    rows = _with_versions(found.annotate(is_returnable=is_returnable, is_holding=is_holding))
    if prompt:
        rows = rows.filter(prompt__name__icontains=prompt)
    return Paginator(rows, PAGE_SIZE).get_page(page)


def way_back(prompt: Prompt, environment: Environment, *, to: int | None = None) -> WayBack:
    """Where one could go back to; `to` names the deployment, else it is the one that a single click goes to."""
    live = live_deployment(prompt, environment)
    rows = _with_versions(Deployment.objects.filter(prompt=prompt, environment=environment, version__isnull=False))
    earlier = list(rows[:TARGETS])
    target = _chosen(earlier, to) or way_back_by_default(prompt, environment, live.version if live else None)
    barred = set(quarantined(prompt, environment).values_list("digest", flat=True))
    yanked = set(VersionYank.objects.filter(version__prompt=prompt).values_list("version", flat=True))
    changes: tuple[str, ...] = ()
    if live and live.version and target and target.version:
        changes = breaking_changes(live.version, target.version)
    digest = target.version.digest if target and target.version else ""
    targets = tuple(_target(one, live, barred, yanked) for one in earlier)
    return WayBack(live, target, targets, changes, digest in barred)


def _chosen(earlier: Sequence[Deployment], to: int | None) -> Deployment | None:
    return next((one for one in earlier if one.pk == to), None)


def _target(one: Deployment, live: Deployment | None, barred: set[str], yanked: set[int]) -> Target:
    assert one.version is not None
    is_live = live is not None and live.version is not None and live.version.digest == one.version.digest
    return Target(one, is_live, one.version.digest in barred, one.version.pk in yanked)


def _with_versions(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    return rows.select_related("prompt", "version__prompt", "previous__version", "promotion", "override").order_by(
        "-pk"
    )


def with_makers(workspace_id: int) -> QuerySet[Environment]:
    """The workspace's environments, lowest first, with who made each (`made_by`), who wrote the rules in force and when
    (`ruled_by`, `ruled_at`), and how often they were changed (`rules_changed`)."""
    written = PolicyVersion.objects.filter(environment=OuterRef("pk"))
    first, newest = written.order_by("number")[:1], written.order_by("-number")[:1]
    return Environment.objects.in_workspace(workspace_id).annotate(
        made_by=Subquery(first.values("by_name")),
        ruled_by=Subquery(newest.values("by_name")),
        ruled_at=Subquery(newest.values("created_at")),
        rules_changed=Subquery(newest.values("number")) - 1,
    )


def environment_names(workspace_id: int) -> list[str]:
    """The environments of a workspace that are in use, lowest rank first."""
    return list(Environment.objects.in_workspace(workspace_id).values_list("name", flat=True))


def environment_choices(workspace_id: int) -> list[tuple[str, str]]:
    """The same, each by its name and its label."""
    return [(one.name, one.label) for one in Environment.objects.in_workspace(workspace_id)]
