"""Celery's side of the core: ids in, one call, no logic."""

import os
import socket

from celery import shared_task

from registry.core import checkpoints, jobs, outbox, sweeps
from registry.core.actions import deliveries, notifications
from registry.core.actions.pruning import prune_core


def worker_name() -> str:
    """Who holds a lease: host and process."""
    return f"{socket.gethostname()[:48]}:{os.getpid()}"


@shared_task(name="core.dispatch_outbox")
def dispatch_outbox(pk: int) -> None:
    """Deliver one outbox message."""
    outbox.dispatch(pk, owner=worker_name())


@shared_task(name="core.deliver_mail")
def deliver_mail(pk: int) -> None:
    """Send one mail."""
    notifications.deliver_mail(pk, owner=worker_name())


@shared_task(name="core.deliver_webhook")
def deliver_webhook(pk: int) -> None:
    """Try one delivery of an event to an endpoint."""
    deliveries.deliver_webhook(pk, owner=worker_name())


@shared_task(name="core.sweep")
def sweep() -> None:
    """Hint again at rows that were left behind."""
    jobs.sweep()
    sweeps.note()


@shared_task(name="core.prune")
def prune() -> None:
    """Forget what nobody will ask for again."""
    prune_core()


@shared_task(name="core.export_checkpoint")
def export_checkpoint() -> None:
    """Put down outside the database where the audit chains end."""
    checkpoints.export_checkpoint()
