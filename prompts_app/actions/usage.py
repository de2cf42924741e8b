"""Services tell which versions they serve; what they tell is added up by day and forgotten after a month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from prompts_app.actions.environments import find_environment
from prompts_app.models import ServedVersion
from prompts_app.visibility import sees_only_live, served_by
from registry.core.actor import Actor
from registry.core.errors import Forbidden

KEPT = timedelta(days=30)
# A clock that is further behind tells of a day that nobody can check any more.
OLDEST = timedelta(days=1)


@dataclass(frozen=True)
class Reporter:
    """Who tells: the name and version of a client, and where it runs."""

    name: str
    version: str
    host: str = ""


@dataclass(frozen=True)
class Served:
    """How often a version was given out since the last report."""

    name: str
    version: int
    digest: str
    count: int
    last_served_at: datetime


_ADD = """
INSERT INTO prompts_app_servedversion
    (environment_id, key_id, prompt_id, version_id, day, count, first_served_at, last_served_at, client, host)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (environment_id, key_id, version_id, day) DO UPDATE SET
    count = prompts_app_servedversion.count + EXCLUDED.count,
    first_served_at = least(prompts_app_servedversion.first_served_at, EXCLUDED.first_served_at),
    last_served_at = greatest(prompts_app_servedversion.last_served_at, EXCLUDED.last_served_at),
    client = EXCLUDED.client, host = EXCLUDED.host
"""


@transaction.atomic
def record_usage(actor: Actor, reporter: Reporter, told: Sequence[Served]) -> int:
    """Add up what a service key's clients served; how many entries counted.

    What the key may not see, and a digest that its version does not have, is left out without a word. Times of a clock
    that is ahead count as now.
    """
    if not sees_only_live(actor):
        raise Forbidden("actor.key", "Only a service key tells what it serves.")
    environment = find_environment(actor.workspace_id, actor.environment)
    versions = served_by(actor, {(one.name, one.version) for one in told})
    now, client = timezone.now(), f"{reporter.name} {reporter.version}"
    rows: list[tuple[Any, ...]] = []
    for one in told:
        version = versions.get((one.name, one.version))
        at = min(one.last_served_at, now)
        if version is not None and version.digest == one.digest and now - at <= OLDEST:
            day = at.astimezone(UTC).date()
            place = (environment.pk, actor.id, version.prompt_id, version.pk)
            rows.append((*place, day, one.count, at, at, client, reporter.host))
    # In one order, so that reports of the same key at the same time never wait for each other in a circle.
    rows.sort(key=lambda row: row[3:5])
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, rows)
    return len(rows)


def forget_usage() -> int:
    """Delete what was served more than a month ago; how many rows."""
    return ServedVersion.objects.filter(day__lt=timezone.now().date() - KEPT).delete()[0]
