"""Numbers of the whole registry, read from its tables: the same whichever process is asked."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import Now

from registry.core import checkpoints, jobs, sweeps
from registry.core.clock import database_now
from registry.core.metrics import Family, pool_families, requests
from registry.core.models import AuditHead, JobState, OutboxMessage
from registry.core.triggers import missing_triggers


def core_families() -> list[Family]:
    """Queues, the audit chain, history's triggers, this process's requests and connections. A query a queue, and three."""
    return [*requests.families(), *pool_families(), *_queues(), *_workers(), *_history()]


def _queues() -> Iterable[Family]:
    depth = Family("greenroom_jobs", "gauge", "Rows of each queue that are not done, by state.")
    age = Family("greenroom_job_waiting_seconds", "gauge", "How long the oldest row has been due and not taken.")
    lapsed = Family("greenroom_job_lease_lapsed_seconds", "gauge", "By how much the oldest lease has run out.")
    now = database_now()
    for model in jobs.looked_after():
        queue = model._meta.label_lower
        due = Q(state=JobState.QUEUED, not_before__lte=Now())
        over = Q(state=JobState.RUNNING, lease_until__lt=Now())
        told = model._default_manager.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).aggregate(
            queued=Count("pk", filter=Q(state=JobState.QUEUED)),
            running=Count("pk", filter=Q(state=JobState.RUNNING)),
            due=Min("not_before", filter=due),
            over=Min("lease_until", filter=over),
        )
        depth.add(told["queued"], queue=queue, state="queued").add(told["running"], queue=queue, state="running")
        age.add(_since(told["due"], now), queue=queue)
        lapsed.add(_since(told["over"], now), queue=queue)
    return depth, age, lapsed


def _workers() -> Iterable[Family]:
    """Whether anybody works, and what they gave up."""
    age = Family(
        "greenroom_sweep_age_seconds", "gauge", "Since the last sweep, which the beat asks a worker for; 3600 at most."
    )
    since = sweeps.seconds_since_last()
    yield age if since is None else age.add(since)
    given_up = Family("greenroom_messages_given_up", "gauge", "Messages between the parts whose work failed each time.")
    yield given_up.add(OutboxMessage.objects.filter(state=JobState.ERROR).count())


def _since(moment: datetime | None, now: datetime) -> float:
    """Seconds; 0 where there is none."""
    return max((now - moment).total_seconds(), 0.0) if moment else 0.0


def _history() -> Iterable[Family]:
    events = AuditHead.objects.aggregate(all=Sum("sequence"))
    yield Family("greenroom_audit_events_total", "counter", "Events in all audit chains.").add(events["all"] or 0)
    missing = Family("greenroom_history_triggers_missing", "gauge", "Triggers that keep history and are not in force.")
    yield missing.add(len(missing_triggers()))
    told = {
        "checkpoint": Family(
            "greenroom_audit_checkpoint_age_seconds", "gauge", "Since the newest checkpoint that this machine sees."
        ),
        "backup": Family("greenroom_backup_age_seconds", "gauge", "Since the newest backup that this machine sees."),
    }
    for name, age in checkpoints.ages().items():
        told[name].add(age)
    yield from told.values()
