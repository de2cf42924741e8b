"""What happened to a content in the next lower environment, as the gates want to know it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from prompts_app.gates import Predecessor
from prompts_app.models import Deployment, DeploymentKind, Environment, Promotion, Prompt

type History = Iterable[tuple[datetime, str, str | None]]  # when something changed there, how, and to which digest


def predecessor_of(prompt: Prompt, digest: str, environment: Environment) -> Predecessor | None:
    """What happened to a digest in the next lower environment; None where there is no lower one. Two queries."""
    lower = (
        Environment.objects.in_workspace(environment.workspace_id)
        .filter(rank__lt=environment.rank)
        .order_by("-rank", "-pk")
        .first()
    )
    if lower is None:
        return None
    history = Deployment.objects.filter(prompt=prompt, environment=lower).order_by("pk")
    return _told(lower.name, lower.label, history.values_list("created_at", "kind", "version__digest"), digest)


def predecessors_of(pending: Sequence[Promotion], lower: Mapping[int, tuple[int, str, str]]) -> dict[int, Predecessor]:
    """The same for many promotions, by id; `lower` is the next lower environment by an environment's id, as its id, name and
    label. One query where there is one."""
    pending = [row for row in pending if row.environment_id in lower]
    if not pending:
        return {}
    below = {row.pk: lower[row.environment_id] for row in pending}
    rows = Deployment.objects.filter(prompt__in={row.prompt_id for row in pending})
    rows = rows.filter(environment__in={place for place, _, _ in below.values()}).order_by("pk")
    histories: dict[tuple[int, int], list[tuple[datetime, str, str | None]]] = defaultdict(list)
    fields = ("prompt", "environment", "created_at", "kind", "version__digest")
    for prompt, place, at, kind, digest in rows.values_list(*fields):
        histories[prompt, place].append((at, kind, digest))
    return {
        row.pk: _told(name, label, histories[row.prompt_id, place], row.version.digest)
        for row in pending
        for place, name, label in [below[row.pk]]
    }


def _told(environment: str, label: str, history: History, digest: str) -> Predecessor:
    spans: list[tuple[datetime, datetime | None]] = []
    since: datetime | None = None
    was_rolled_back = False
    for at, kind, live_digest in history:
        if since is not None and live_digest != digest:
            was_rolled_back = kind != DeploymentKind.PROMOTION
            spans = [] if was_rolled_back else [*spans, (since, at)]
            since = None
        elif since is None and live_digest == digest:
            since, was_rolled_back = at, False
    if since is not None:
        spans.append((since, None))
    return Predecessor(environment, label, tuple(spans), was_rolled_back)
