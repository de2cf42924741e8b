"""What services report of versions in use, kept for what production will be judged by: the newest thousand of each version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from prompts_app.models import KEPT_PER_VERSION, Deployment, Observation, PromptVersion
from registry.core.actor import Actor, KeyKind
from registry.core.permissions import Permission, require


@dataclass(frozen=True)
class Report:
    """One use of a version; what was not told is None. `span` names it at its origin."""

    name: str
    version: int
    span: str
    at: datetime
    latency_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    model: str = ""


def observe(actor: Actor, reports: Sequence[Report]) -> int:
    """Keep what a key reports of versions that it may read; others are passed over. Returns how many were about such."""
    require(actor, Permission.READ_LIVE)
    newest = {(report.name, report.version, report.span): report for report in reports}
    found = _versions(actor, {(name, number) for name, number, _ in newest})
    rows = [
        Observation(
            version_id=found[report.name, report.version],
            span=report.span,
            environment=actor.environment,
            model=report.model,
            at=report.at,
            latency_ms=report.latency_ms,
            input_tokens=report.input_tokens,
            output_tokens=report.output_tokens,
        )
        for report in newest.values()
        if (report.name, report.version) in found
    ]
    with transaction.atomic():
        Observation.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1_000)
        for version_id in sorted({row.version_id for row in rows}):
            _forget_oldest(version_id)
    return len(rows)


def _versions(actor: Actor, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Ids of the versions by name and number: of this workspace, to a service key those that are or were live for it."""
    asked = Q(prompt__name__in={name for name, _ in wanted}, number__in={number for _, number in wanted})
    rows = PromptVersion.objects.in_workspace(actor.workspace_id).filter(asked)
    if actor.key_kind is KeyKind.SERVICE:
        rows = rows.filter(
            Exists(Deployment.objects.filter(version=OuterRef("pk"), environment__name=actor.environment))
        )
    found = {(name, number): pk for pk, name, number in rows.values_list("pk", "prompt__name", "number")}
    return {key: pk for key, pk in found.items() if key in wanted}


def _forget_oldest(version_id: int) -> None:
    rows = Observation.objects.filter(version=version_id)
    edge = rows.order_by("-at", "-pk").values_list("at", "pk")[KEPT_PER_VERSION : KEPT_PER_VERSION + 1]
    for at, pk in edge:
        rows.filter(Q(at__lt=at) | Q(at=at, pk__lte=pk)).delete()
