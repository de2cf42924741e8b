"""Rows as the queue; the outbox is the table it is tried on."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now

from registry.core import jobs, outbox
from registry.core.models import JobState, OutboxMessage, Workspace
from tests.scenes import let_pass


@pytest.fixture
def row(db: None) -> OutboxMessage:
    """A message that waits."""
    workspace = Workspace.objects.create(slug="w", name="W")
    made = OutboxMessage.objects.create(workspace=workspace, topic="test.nothing", payload="{}")
    let_pass(made, timedelta(minutes=1), "not_before", "hinted_at")
    return made


def claim(row: OutboxMessage, owner: str = "one", lease_s: float = 60) -> OutboxMessage | None:
    return jobs.claim(OutboxMessage, row.pk, owner=owner, lease_s=lease_s)


def lose(row: OutboxMessage) -> None:
    """The worker is gone, and the lease runs out."""
    let_pass(row, timedelta(minutes=2), "lease_until")


def test_claim__a_row_that_waits__is_taken_once(row: OutboxMessage) -> None:
    taken = claim(row)
    assert taken is not None
    assert (taken.state, taken.owner, taken.attempt) == (JobState.RUNNING, "one", 1)
    assert claim(row, "two") is None
    assert jobs.finish(taken)
    assert claim(row, "two") is None


def test_claim__a_lease_that_ran_out__is_another_attempt_and_fences_the_first(row: OutboxMessage) -> None:
    first = claim(row)
    lose(row)
    second = claim(row, "two")
    assert second is not None and second.attempt == 2
    assert not jobs.holds(first)
    assert not jobs.extend(first, lease_s=60)
    assert not jobs.finish(first)
    assert not jobs.release(first, error="x", delay_s=0)
    row.refresh_from_db()
    assert (row.state, row.owner) == (JobState.RUNNING, "two")
    assert jobs.holds(second) and jobs.finish(second)


def test_claim__by_the_same_owner_again__is_fenced_by_the_attempt(row: OutboxMessage) -> None:
    first = claim(row)
    lose(row)
    second = claim(row)
    assert not jobs.finish(first)
    assert jobs.finish(second)


def test_claim__after_three_attempts__is_an_error_for_good(row: OutboxMessage) -> None:
    for attempt in (1, 2, 3):
        taken = claim(row)
        assert taken is not None and taken.attempt == attempt
        lose(row)
    assert claim(row) is None
    row.refresh_from_db()
    assert (row.state, row.error != "", row.owner) == (JobState.ERROR, True, "")
    assert claim(row) is None


def test_claim__before_its_time_or_in_a_final_state__is_nothing(row: OutboxMessage) -> None:
    OutboxMessage.objects.update(not_before=Now() + timedelta(hours=1))
    assert claim(row) is None
    for state in (JobState.DONE, JobState.ERROR, JobState.CANCELLED):
        OutboxMessage.objects.update(state=state, not_before=Now() - timedelta(hours=1))
        assert claim(row) is None


def test_extend__moves_the_lease_on(row: OutboxMessage) -> None:
    taken = claim(row, lease_s=1)
    assert jobs.extend(taken, lease_s=3600)
    let_pass(row, timedelta(minutes=2), "lease_until")
    assert claim(row, "two") is None


def test_release__gives_back_after_a_while_with_the_attempt_counted(row: OutboxMessage) -> None:
    taken = claim(row)
    assert jobs.release(taken, error="later", delay_s=60)
    assert claim(row) is None
    let_pass(row, timedelta(minutes=2), "not_before")
    again = claim(row)
    assert again is not None and again.attempt == 2


def test_sweep__hints_at_what_was_lost_and_at_nothing_else(row: OutboxMessage, monkeypatch: pytest.MonkeyPatch) -> None:
    hinted: list[int] = []
    monkeypatch.setattr(jobs, "_looked_after", {OutboxMessage: hinted.append})
    assert (jobs.sweep(), hinted) == (1, [row.pk]), "its message was never sent"
    assert jobs.sweep() == 0, "it was hinted at a moment ago"
    taken = claim(row)
    assert jobs.sweep() == 0, "somebody works on it"
    lose(row)
    assert jobs.sweep() == 1
    jobs.finish(taken)
    assert jobs.sweep() == 0


def test_outbox__a_message_of_a_transaction_that_fails__is_never_sent(row: OutboxMessage) -> None:
    with transaction.atomic():
        outbox.send(row.workspace_id, "test.nothing", {})
        transaction.set_rollback(True)
    assert OutboxMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_outbox__the_broker_is_down__the_row_stays_for_the_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.objects.create(slug="w", name="W")

    def down(pk: int) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(jobs, "_looked_after", {OutboxMessage: down})
    with transaction.atomic():
        sent = outbox.send(workspace.pk, "test.nothing", {"a": 1})
    sent.refresh_from_db()
    assert sent.state == JobState.QUEUED
    hinted: list[int] = []
    monkeypatch.setattr(jobs, "_looked_after", {OutboxMessage: hinted.append})
    let_pass(sent, timedelta(minutes=1), "hinted_at", "not_before")
    jobs.sweep()
    assert hinted == [sent.pk]


def test_dispatch__a_handler_fails__all_of_it_is_undone_and_tried_again(
    row: OutboxMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def writes(message: outbox.Message) -> None:
        seen.append(str(message.event_id))
        Workspace.objects.create(slug=f"s{len(seen)}", name="x")

    def fails_once(message: outbox.Message) -> None:
        if len(seen) == 1:
            raise RuntimeError("a bug")

    monkeypatch.setitem(outbox._handlers, "test.nothing", [writes, fails_once])
    assert not outbox.dispatch(row.pk, owner="one")
    assert Workspace.objects.count() == 1, "what a handler wrote goes with the failure"
    row.refresh_from_db()
    assert (row.state, row.attempt) == (JobState.QUEUED, 1)
    let_pass(row, timedelta(minutes=5), "not_before")
    assert outbox.dispatch(row.pk, owner="two")
    assert seen == [str(row.event_id)] * 2, "at least once, with the same event id"
    assert not outbox.dispatch(row.pk, owner="three")


def test_dispatch__a_handler_that_always_fails__ends_as_an_error(
    row: OutboxMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(message: outbox.Message) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setitem(outbox._handlers, "test.nothing", [fails])
    for _ in range(4):
        assert not outbox.dispatch(row.pk, owner="one")
        let_pass(row, timedelta(hours=1), "not_before")
    row.refresh_from_db()
    assert (row.state, row.attempt) == (JobState.ERROR, 3)
