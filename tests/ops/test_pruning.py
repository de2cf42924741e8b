"""What goes by itself after its time, as the page about retention says, and what stays."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from registry.core.actions.pruning import prune_core
from registry.core.clock import database_now
from registry.core.models import (
    AuditEvent,
    IdempotencyRecord,
    JobState,
    Mail,
    Member,
    OutboxMessage,
    SignInLink,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)
from tests.builders import Cast
from tests.scenes import let_pass

type Make = Callable[[Cast], Any]


def _person(cast: Cast) -> int:
    return Member.objects.get(pk=cast.ada.member_id).user_id


def _message(state: JobState) -> Make:
    return lambda cast: OutboxMessage.objects.create(workspace=cast.workspace, topic="x", payload="{}", state=state)


def _mail(state: JobState) -> Make:
    return lambda cast: Mail.objects.create(
        user_id=_person(cast), event_id=uuid.uuid4(), subject="Ada", text="Ada", state=state
    )


def _delivery(cast: Cast) -> WebhookDelivery:
    event = WebhookEvent.objects.create(workspace=cast.workspace, type="x.done", text="x", data="{}")
    webhook = Webhook.objects.create(workspace=cast.workspace, name="hook", url="https://example.com/")
    return WebhookDelivery.objects.create(webhook=webhook, event=event, state=JobState.ERROR)


def _answer(cast: Cast) -> IdempotencyRecord:
    return IdempotencyRecord.objects.create(workspace=cast.workspace, caller="c", key="k", request_digest="d")


def _link(cast: Cast) -> SignInLink:
    return SignInLink.objects.create(user_id=_person(cast), token_hash="h", expires_at=database_now())


ENDED = (JobState.DONE, JobState.ERROR, JobState.CANCELLED)
GOES: dict[str, tuple[Make, timedelta, str]] = {
    **{f"message, {state}": (_message(state), timedelta(days=7), "created_at") for state in ENDED},
    **{f"mail, {state}": (_mail(state), timedelta(days=7), "created_at") for state in ENDED},
    "delivery": (_delivery, timedelta(days=30), "created_at"),
    "answer kept for repeats": (_answer, timedelta(hours=24), "created_at"),
    "link": (_link, timedelta(days=30), "expires_at"),
}


@pytest.mark.parametrize("what", GOES)
def test_row__past_its_time__goes_and_not_before(free: Cast, what: str) -> None:
    make, time, field = GOES[what]
    row = make(free)
    events = AuditEvent.objects.count()
    let_pass(row, time - timedelta(minutes=5), field)
    prune_core()
    assert type(row).objects.filter(pk=row.pk).exists()
    let_pass(row, timedelta(minutes=10), field)
    prune_core()
    assert not type(row).objects.filter(pk=row.pk).exists()
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_message__that_is_still_to_be_told__stays_however_old(free: Cast, state: JobState) -> None:
    rows = [_message(state)(free), _mail(state)(free)]
    for row in rows:
        let_pass(row, timedelta(days=60))
    prune_core()
    assert all(type(row).objects.filter(pk=row.pk).exists() for row in rows)


def test_events__that_nobody_is_sent_any_more__go_with_the_last_delivery(free: Cast) -> None:
    row = _delivery(free)
    prune_core()
    assert WebhookEvent.objects.count() == 1
    let_pass(row, timedelta(days=31))
    prune_core()
    assert WebhookEvent.objects.count() == 0
