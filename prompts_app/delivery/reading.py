"""What is live, read from the database: the source that a cache in memory is filled from."""

from django.db.models import QuerySet

from prompts_app.delivery.bodies import Entry, LiveVersion, snapshot_entry
from prompts_app.models import Environment, LivePointer


def find_live(workspace_id: int, environment: str, name: str) -> LiveVersion | None:
    """What is live of a prompt; None where nothing is. One query."""
    pointer = _pointers(workspace_id, environment).filter(prompt__name=name).first()
    return _live(pointer) if pointer is not None else None


def read_snapshot(environment: Environment) -> Entry:
    """Everything that is live, as of one moment: revision and prompts come from one statement where any is live."""
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
    return LiveVersion(
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
