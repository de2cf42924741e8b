"""Who still runs what: versions that services say they serve, beside what is live."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum

from prompts_app.models import Environment, LivePointer, Observation, Prompt, ServedVersion
from registry.core.actor import KeyKind
from registry.core.models import ApiKey

# What a service told of within so much of its newest word it runs side by side: clients tell once a minute.
SIDE_BY_SIDE = timedelta(minutes=3)
# Who has not told for longer may be switched off, or cut off and serving on.
SILENT_AFTER = timedelta(days=1)
KEPT_FOR = timedelta(days=30)
MOST = 500
MOST_KEYS, MOST_RUNS = 50, 20


@dataclass(frozen=True)
class Line:
    """A version that a key's services serve or served; `is_present` where it is among what they served last."""

    environment: Environment
    version: int
    digest: str
    key: int
    key_name: str
    client: str
    host: str
    count: int
    first_served_at: datetime
    last_served_at: datetime
    live_version: int | None
    live_digest: str | None
    is_present: bool

    @property
    def is_behind(self) -> bool:
        """Whether it runs something else than what is live."""
        return self.is_present and self.digest != self.live_digest


@dataclass(frozen=True)
class Retiring:
    """Whether a version could be retired: where it is live, who told lately that they run it, and whose last word it was.

    `observed_at`: when a client of the Langfuse-compatible API last told of an answer to it.
    """

    version: int
    live_in: tuple[Environment, ...]
    running: tuple[Line, ...]
    silent: tuple[Line, ...]
    last_told_at: datetime | None
    observed_at: datetime | None
    is_observed: bool

    @property
    def answer(self) -> str:
        """`live`, `running`, `silent` or `unused`, the strongest that holds."""
        if self.live_in:
            return "live"
        if self.running or self.is_observed:
            return "running"
        return "silent" if self.silent else "unused"


@dataclass(frozen=True)
class Behind:
    """How many keys still serve a version of a prompt that is not what is live in an environment."""

    environment: str
    prompt: str
    version: int
    keys: int
    live_version: int | None

    @property
    def words(self) -> str:
        """For people."""
        who = f"{self.keys} services still run" if self.keys > 1 else "1 service still runs"
        now = f"live is v{self.live_version}" if self.live_version else "nothing is live"
        return f"{who} v{self.version}, {now} in {self.environment}"


def served(prompt: Prompt, environment: Environment | None = None) -> list[Line]:
    """What services said of a prompt in the last month, what they run now first; 500 lines at most. One query."""
    rows = _beside_live(ServedVersion.objects.filter(prompt=prompt))
    if environment is not None:
        rows = rows.filter(environment=environment)
    groups = rows.values("environment", "key", "version").annotate(
        number=F("version__number"),
        digest=F("version__digest"),
        key_name=F("key__name"),
        told=Max("client"),
        where=Max("host"),
        times=Sum("count"),
        first=Min("first_served_at"),
        last=Max("last_served_at"),
        live=F("live_version"),
        live_content=F("live_digest"),
    )
    found = list(groups.order_by("environment__rank", "-last", "key")[:MOST])
    places = Environment.objects.in_bulk({one["environment"] for one in found})
    newest: dict[tuple[int, int], datetime] = {}
    for one in found:
        reporter = (one["environment"], one["key"])
        newest[reporter] = max(newest.get(reporter, one["last"]), one["last"])
    lines = [
        Line(
            environment=places[one["environment"]],
            version=one["number"],
            digest=one["digest"],
            key=one["key"],
            key_name=one["key_name"],
            client=one["told"],
            host=one["where"],
            count=one["times"],
            first_served_at=one["first"],
            last_served_at=one["last"],
            live_version=one["live"],
            live_digest=one["live_content"],
            is_present=one["last"] >= newest[one["environment"], one["key"]] - SIDE_BY_SIDE,
        )
        for one in found
    ]
    return sorted(lines, key=lambda line: (line.environment.rank, not line.is_behind, not line.is_present))


def retiring(prompt: Prompt, lines: Sequence[Line], now: datetime) -> list[Retiring]:
    """For each version that is live or was told of in the last month, newest first, whether it could go; none while nobody
    has told of any. Two queries."""
    live: dict[int, list[Environment]] = defaultdict(list)
    pointers = LivePointer.objects.live().filter(prompt=prompt, environment__archived_at=None)
    for pointer in pointers.select_related("environment", "deployment__version").order_by("environment__rank"):
        assert pointer.deployment is not None and pointer.deployment.version is not None
        live[pointer.deployment.version.number].append(pointer.environment)
    observed = dict(
        Observation.objects.filter(version__prompt=prompt, at__gt=now - KEPT_FOR)
        .order_by()
        .values("version__number")
        .annotate(last=Max("at"))
        .values_list("version__number", "last")
    )
    told: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        told[line.version].append(line)
    found = []
    for number in sorted({*live, *observed, *told} if lines or observed else (), reverse=True):
        last_words = [line for line in told[number] if line.is_present]
        is_silent = [line.last_served_at < now - SILENT_AFTER for line in last_words]
        at = observed.get(number)
        found.append(
            Retiring(
                version=number,
                live_in=tuple(live[number]),
                running=tuple(line for line, silent in zip(last_words, is_silent, strict=True) if not silent),
                silent=tuple(line for line, silent in zip(last_words, is_silent, strict=True) if silent),
                last_told_at=max((line.last_served_at for line in told[number]), default=None),
                observed_at=at,
                is_observed=at is not None and at > now - SILENT_AFTER,
            )
        )
    return found


def behind(*, prompt: Prompt | None = None, environment: Environment | None = None) -> Sequence[Behind]:
    """Where services still run what is not live any more, most of them first; 50 at most. One query."""
    rows = ServedVersion.objects.all()
    rows = rows.filter(prompt=prompt) if prompt is not None else rows
    rows = rows.filter(environment=environment) if environment is not None else rows
    later = ServedVersion.objects.filter(
        environment=OuterRef("environment"),
        key=OuterRef("key"),
        prompt=OuterRef("prompt"),
        last_served_at__gt=OuterRef("last_served_at") + SIDE_BY_SIDE,
    )
    stale = _beside_live(rows).filter(Q(live_digest=None) | ~Q(version__digest=F("live_digest"))).filter(~Exists(later))
    found = (
        stale.filter(key__revoked_at=None)
        .values_list("environment__label", "prompt__name", "version__number", "live_version")
        .annotate(keys=Count("key", distinct=True))
        .order_by("-keys", "environment__rank", "prompt__name", "version__number")
    )
    return [Behind(place, name, number, keys, live) for place, name, number, live, keys in found[:50]]


def _beside_live(rows: QuerySet[ServedVersion]) -> QuerySet[Any]:
    live = LivePointer.objects.live().filter(environment=OuterRef("environment"), prompt=OuterRef("prompt"))
    return rows.annotate(
        live_version=Subquery(live.values("deployment__version__number")[:1]),
        live_digest=Subquery(live.values("deployment__version__digest")[:1]),
    )


@dataclass(frozen=True)
class Fetcher:
    """A service key of an environment: when it last asked for anything, and what its services say they run."""

    name: str
    last_used_at: datetime | None
    runs: tuple["Fetched", ...]


@dataclass(frozen=True)
class Fetched:
    """A version of a prompt that a key's services gave out last at that time."""

    prompt: str
    version: int
    live_version: int | None
    count: int
    last_served_at: datetime


def fetchers(environment: Environment) -> tuple[Fetcher, ...]:
    """The environment's service keys, the latest to ask first, each with the 20 versions it gave out last. Two queries."""
    keys = ApiKey.objects.filter(
        workspace=environment.workspace_id, environment=environment.name, kind=KeyKind.SERVICE, revoked_at=None
    ).order_by(F("last_used_at").desc(nulls_last=True), "pk")[:MOST_KEYS]
    rows = _beside_live(ServedVersion.objects.filter(environment=environment, key__in=[key.pk for key in keys]))
    groups = rows.values("key", "prompt__name", "version__number", "live_version").annotate(
        times=Sum("count"), last=Max("last_served_at")
    )
    told: dict[int, list[Fetched]] = {}
    for one in groups.order_by("-last")[:MOST]:
        runs = told.setdefault(one["key"], [])
        if len(runs) < MOST_RUNS:
            runs.append(
                Fetched(one["prompt__name"], one["version__number"], one["live_version"], one["times"], one["last"])
            )
    return tuple(Fetcher(key.name, key.last_used_at, tuple(told.get(key.pk, ()))) for key in keys)
