"""Rows are the queue: claim by one UPDATE with a lease, save fenced by owner and attempt, sweep what was lost.

A Celery message only hints at a row. Leases are measured by the database's clock, so workers' clocks do not matter.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Now

from registry.core import failpoints
from registry.core.hints import NotSentError
from registry.core.models.jobs import JobState, LeasedJob

type Hint = Callable[..., object]

MAX_ATTEMPTS = 3
REHINT_AFTER = timedelta(seconds=10)
SWEEP_BATCH = 500

_looked_after: dict[type[LeasedJob], Hint] = {}


def register(model: type[LeasedJob], hint: Hint) -> None:
    """Let the sweeper look after `model`; `hint(pk)` sends the message for one row, as `hints.hint_by` makes it."""
    _looked_after[model] = hint


def looked_after() -> tuple[type[LeasedJob], ...]:
    """Every table that is a queue."""
    return tuple(_looked_after)


def hint_after_commit(row: LeasedJob) -> None:
    """Send the row's message once its transaction has committed; a failure to send is the sweeper's business."""
    hint_all_after_commit([row])


def hint_carrying(row: LeasedJob, word: str) -> None:
    """Send the row's message, once its transaction has committed, with a word that is in no row: no sweep can repeat it."""

    def send() -> None:
        with suppress(NotSentError):
            _looked_after[type(row)](row.pk, word)

    transaction.on_commit(send, robust=True)


def hint_all_after_commit(rows: Sequence[LeasedJob]) -> None:
    """The same for many rows at once; stops at the first failure, so that a broker that is down is asked once."""
    failpoints.reach(failpoints.BEFORE_COMMIT)

    def send() -> None:
        failpoints.reach(failpoints.AFTER_COMMIT)
        with suppress(NotSentError):
            for row in rows:
                _looked_after[type(row)](row.pk)

    transaction.on_commit(send, robust=True)


def claim[Job: LeasedJob](model: type[Job], pk: int, *, owner: str, lease_s: float) -> Job | None:
    """Take a row that waits, or whose lease has run out; None where there is nothing to do.

    Every claim counts as an attempt. Claims after the third make the row an `error` instead.
    """
    now = Now()
    open_row = Q(state=JobState.QUEUED, not_before__lte=now) | Q(state=JobState.RUNNING, lease_until__lt=now)
    rows = model._default_manager.filter(open_row, pk=pk)
    taken = rows.filter(attempt__lt=MAX_ATTEMPTS).update(
        state=JobState.RUNNING, owner=owner, attempt=F("attempt") + 1, lease_until=now + timedelta(seconds=lease_s)
    )
    if taken:
        return model._default_manager.get(pk=pk)
    rows.filter(attempt__gte=MAX_ATTEMPTS).update(
        state=JobState.ERROR, owner="", lease_until=None, error=Value("gave up: its worker was lost three times")
    )
    return None


def held[Job: LeasedJob](row: Job) -> QuerySet[Job]:
    """The row, for as long as it is still ours: an UPDATE on it changes nothing once another attempt has taken it over."""
    rows = type(row)._default_manager
    return rows.filter(pk=row.pk, state=JobState.RUNNING, owner=row.owner, attempt=row.attempt)


def extend(row: LeasedJob, *, lease_s: float) -> bool:
    """Heartbeat: move the lease on; False when the row is no longer ours."""
    return bool(held(row).update(lease_until=Now() + timedelta(seconds=lease_s)))


def finish(row: LeasedJob, *, state: JobState = JobState.DONE, error: str = "") -> bool:
    """Leave the row in a final state; False (and nothing written) when another attempt has taken it over."""
    return bool(held(row).update(state=state, error=error, lease_until=None))


def release(row: LeasedJob, *, error: str, delay_s: float) -> bool:
    """Give the row back for another attempt after `delay_s`; the attempt stays counted."""
    return bool(
        held(row).update(
            state=JobState.QUEUED,
            owner="",
            lease_until=None,
            error=error,
            not_before=Now() + timedelta(seconds=delay_s),
        )
    )


def put_off(row: LeasedJob, *, error: str, delay_s: float) -> bool:
    """Give back a row whose attempt came to an end of its own; after `delay_s` it begins again with all its attempts."""
    later = Now() + timedelta(seconds=delay_s)
    return bool(
        held(row).update(
            state=JobState.QUEUED, owner="", attempt=0, lease_until=None, error=error, not_before=later, hinted_at=Now()
        )
    )


def hand_on(row: LeasedJob) -> bool:
    """Give back a row that made progress, for anybody to go on with at once: its attempts start again."""
    handed = held(row).update(
        state=JobState.QUEUED, owner="", attempt=0, lease_until=None, not_before=Now(), hinted_at=Now()
    )
    if handed:
        hint_after_commit(row)
    return bool(handed)


def holds(row: LeasedJob) -> bool:
    """Whether the row is still ours, locking it: call inside the transaction that saves its results."""
    return held(row).select_for_update().exists()


def sweep() -> int:
    """Hint again at rows whose message was lost or whose lease ran out; returns how many were hinted."""
    hinted = 0
    for model, hint in _looked_after.items():
        now = Now()
        lost = Q(state=JobState.QUEUED, not_before__lte=now, hinted_at__lt=now - REHINT_AFTER) | Q(
            state=JobState.RUNNING, lease_until__lt=now
        )
        pks = list(model._default_manager.filter(lost).order_by("pk").values_list("pk", flat=True)[:SWEEP_BATCH])
        model._default_manager.filter(pk__in=pks).update(hinted_at=now)
        with suppress(NotSentError):
            for pk in pks:
                hint(pk)
                hinted += 1
    return hinted
