"""How long a workspace keeps answers and inputs, and what goes when their time is over."""

import time
from collections.abc import Iterator

from django.db import transaction

from evals_app.actions.purging import take
from evals_app.models import Purge, Result, Retention, Run
from evals_app.purge_queries import cases_past, retention_of, runs_past
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import invalid_field
from registry.core.models import Workspace
from registry.core.permissions import Permission, require, require_confirmed

NAME = "the retention time"
RUNS_AT_ONCE, CASES_AT_ONCE = 20, 2_000


@transaction.atomic
def set_retention(actor: Actor, *, answers_days: int | None, inputs_days: int | None) -> Retention:
    """After how many days answers, and inputs that no suite asks any more, go; None keeps them. The next night acts on it."""
    require(actor, Permission.ADMINISTER)
    require_confirmed(actor)
    wanted = {"answers_days": answers_days, "inputs_days": inputs_days}
    for name, days in wanted.items():
        if days is not None and not Retention.LEAST_DAYS <= days <= Retention.MOST_DAYS:
            raise invalid_field(
                name, "range", f"Between {Retention.LEAST_DAYS} and {Retention.MOST_DAYS:,} days, or none."
            )
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    before = _told(retention_of(actor.workspace_id))
    if before == wanted:
        return retention_of(actor.workspace_id)
    row, _ = Retention.objects.update_or_create(workspace_id=actor.workspace_id, defaults=wanted)
    audit.record(
        actor,
        "retention.changed",
        subject_type="workspace",
        subject_id=actor.workspace_id,
        subject_name="retention",
        detail={"before": before, "after": _told(row)},
    )
    return row


def apply_retention(*, most_s: float) -> int:
    """Purge what is past its time in every workspace that has one; how many answers and cases went.

    Piece by piece, a transaction and an event each, and no new piece after `most_s` seconds: the next night goes on.
    """
    ends, gone = time.monotonic() + most_s, 0
    for retention in Retention.objects.select_related("workspace").order_by("pk"):
        for count in _pieces(retention):
            gone += count
            if time.monotonic() > ends:
                return gone
    return gone


def _pieces(retention: Retention) -> Iterator[int]:
    """How many rows went with each piece, until nothing is past its time."""
    while True:
        with transaction.atomic():
            count = _piece(retention)
        if count is None:
            return
        yield count


def _piece(retention: Retention) -> int | None:
    """A few runs and cases; None where there are none."""
    Workspace.objects.select_for_update(no_key=True).get(pk=retention.workspace_id)
    runs = list(runs_past(retention)[:RUNS_AT_ONCE])
    cases = list(cases_past(retention)[:CASES_AT_ONCE])
    if not runs and not cases:
        return None
    answers = list(Result.objects.filter(run__in=runs, purge=None).values_list("pk", flat=True))
    ended = Run.objects.filter(pk__in=[run.pk for run in runs])
    if not answers and not cases:
        ended.update(is_purged=True)
        return 0
    purge = Purge(workspace_id=retention.workspace_id, by_name=NAME)
    purge.save(force_insert=True)
    purge.refresh_from_db()
    gone = take(purge, cases, answers)
    ended.update(is_purged=True, purge=purge)
    rows: dict[str, JSON] = {name: count for name, count in gone.items() if count}
    audit.record(
        Actor.system(retention.workspace_id, NAME),
        "content.purged",
        subject_type="purge",
        subject_id=purge.pk,
        subject_name=f"purge {purge.pk}",
        detail={"of": NAME, "rows": rows, **_told(retention)},
    )
    return sum(gone.values())


def _told(retention: Retention) -> dict[str, JSON]:
    return {"answers_days": retention.answers_days, "inputs_days": retention.inputs_days}
