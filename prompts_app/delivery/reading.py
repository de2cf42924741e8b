"""What is live, read from the database: the source that a cache in memory is filled from."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from prompts_app.delivery.bodies import Entry, LiveVersion, snapshot_entry
from prompts_app.models import Deployment, Environment, LivePointer
from prompts_app.wholeness import require_whole
from registry.core.canonical import JSON

MOST_CHANGES = 1_000

# What every answer that is not in memory waits for, so by hand: the ORM takes longer over it than the database.
_LIVE = """
SELECT prompt.name, environment.name, version.number, version.digest, deployment.revision, workspace.epoch, prompt.kind,
  version.content, deployment.created_at
FROM prompts_app_environment environment
JOIN core_workspace workspace ON workspace.id = environment.workspace_id
JOIN prompts_app_prompt prompt ON prompt.workspace_id = environment.workspace_id
JOIN prompts_app_livepointer pointer ON pointer.prompt_id = prompt.id AND pointer.environment_id = environment.id
JOIN prompts_app_deployment deployment ON deployment.id = pointer.deployment_id
JOIN prompts_app_promptversion version ON version.id = deployment.version_id
WHERE environment.workspace_id = %s AND environment.name = %s AND environment.archived_at IS NULL AND prompt.name = %s
"""


def find_live(workspace_id: int, environment: str, name: str) -> LiveVersion | None:
    """What is live of a prompt; None where nothing is. One query. Raises Unavailable where it is not what was approved."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE, [workspace_id, environment, name])
        row = cursor.fetchone()
    return _whole(LiveVersion(*row)) if row is not None else None


@dataclass(frozen=True)
class Change:
    """A change of what is live, by a promotion, rollback or withdrawal; after the latter there is no version."""

    revision: int
    name: str
    version: int | None
    digest: str | None
    kind: str

    def to_json(self) -> dict[str, JSON]:
        """As the feed lists it."""
        return {
            "revision": self.revision,
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "kind": self.kind,
        }


def read_changes(workspace_id: int, environment: str, since: int) -> list[Change] | None:
    """What changed after revision `since`, in order; None where that is more than 1,000, or no revision of now. One query."""
    rows = Deployment.objects.filter(
        environment__workspace_id=workspace_id, environment__name=environment, revision__gte=since
    ).order_by("revision")
    found = rows.values_list("revision", "prompt__name", "version__number", "version__digest", "kind")
    changes = [Change(*row) for row in found[: MOST_CHANGES + 2]]
    is_known = since == 0 or (bool(changes) and changes[0].revision == since)
    later = [change for change in changes if change.revision > since]
    return later if is_known and len(later) <= MOST_CHANGES else None


def read_environment_snapshot(workspace_id: int, environment: str) -> Entry | None:
    """Everything that is live in the environment of that name; None where there is none in use. Two queries."""
    row = Environment.objects.in_workspace(workspace_id).filter(name=environment).first()
    return read_snapshot(row) if row is not None else None


def known_environments(wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], tuple[int, int]]:
    """By workspace and name: the revision an environment is at and its workspace's epoch; those in use only. One query."""
    asked = set(wanted)
    rows = Environment.objects.filter(
        archived_at=None, workspace__in={one[0] for one in asked}, name__in={one[1] for one in asked}
    ).values_list("workspace", "name", "counter__n", "workspace__epoch")
    return {(workspace, name): (revision, epoch) for workspace, name, revision, epoch in rows}


def read_snapshot(environment: Environment) -> Entry:
    """Everything that is live, as of one moment: revision and prompts come from one statement where any is live. Raises
    Unavailable where any of it is not what was approved."""
    pointers = list(_pointers(environment.workspace_id, environment.name))
    place = pointers[0].environment if pointers else _counted(environment)
    return snapshot_entry(
        environment.name, place.counter.n, place.workspace.epoch, [_live(pointer) for pointer in pointers]
    )


def _pointers(workspace_id: int, environment: str) -> QuerySet[LivePointer]:
    rows = LivePointer.objects.live().filter(
        environment__workspace_id=workspace_id, environment__name=environment, environment__archived_at=None
    )
    return rows.select_related("deployment__version", "prompt", "environment__counter", "environment__workspace").defer(
        "prompt__searchable", "prompt__search"
    )


def _counted(environment: Environment) -> Environment:
    return Environment.objects.select_related("counter", "workspace").get(pk=environment.pk)


def _live(pointer: LivePointer) -> LiveVersion:
    deployment = pointer.deployment
    assert deployment is not None and deployment.version is not None
    return _whole(
        LiveVersion(
            name=pointer.prompt.name,
            environment=pointer.environment.name,
            version=deployment.version.number,
            digest=deployment.version.digest,
            revision=deployment.revision,
            epoch=pointer.environment.workspace.epoch,
            kind=pointer.prompt.kind,
            content=deployment.version.content,
            deployed_at=deployment.created_at,
        )
    )


def _whole(live: LiveVersion) -> LiveVersion:
    """The same, its content held against its digest."""
    require_whole(live.name, live.version, kind=live.kind, content=live.content, digest=live.digest)
    return live
