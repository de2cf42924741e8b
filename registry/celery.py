"""Celery: messages are hints, rows are the queue. The schedule is fixed here, since nobody edits it at run time."""

import os
import sys
from datetime import timedelta
from typing import Any

from celery import Celery, Task
from celery.schedules import crontab
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
)
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")

from django.conf import settings
from django.db import connections

from registry.core import tracing
from registry.precedence import give_way
from registry.withheld import keep_jinja_out

keep_jinja_out()

LONGEST_TASK_S = 600
VISIBILITY = {"visibility_timeout": LONGEST_TASK_S * 2}
# Work on runs takes minutes and there may be much of it, and so may what is looked through at night; what is told, sent and due
# takes a moment. A worker takes both, unless `-Q` says which: whoever waits for a webhook or a scheduled promotion waits for no
# run where one worker is kept for `default`.
OTHERS, RUNS = "default", "runs"
LONG_TASKS = ("evals.run_chunk", "evals.apply_retention", "prompts.verify_contents")

app = Celery("greenroom", set_as_current=True, task_cls="registry.celery:TracedTask")
# Else Celery closes the pool of connections after every task: the next one would wait for another to be opened.
app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_transport_options={
        **VISIBILITY,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,  # else Kombu looks at every tenth of these moments only
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
    },
    result_backend_transport_options=VISIBILITY,
    visibility_timeout=VISIBILITY["visibility_timeout"],
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1},
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    task_time_limit=LONGEST_TASK_S,
    task_default_queue=OTHERS,
    # Each with an exchange and a key of its own: a message would otherwise go to both.
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in (OTHERS, RUNS)],
    task_routes={name: {"queue": RUNS} for name in LONG_TASKS},
    timezone="UTC",
    beat_schedule_filename=str(settings.DATA_DIR / "beat-schedule"),
    beat_schedule={
        "sweep": {"task": "core.sweep", "schedule": timedelta(seconds=settings.SWEEP_INTERVAL_S)},
        "prune": {"task": "core.prune", "schedule": timedelta(hours=1)},
        "audit-checkpoint": {"task": "core.export_checkpoint", "schedule": crontab(hour=0, minute=10)},
        "contents-verify": {"task": "prompts.verify_contents", "schedule": crontab(hour=0, minute=40)},
        "retention": {"task": "evals.apply_retention", "schedule": crontab(hour=1, minute=10)},
        "runs-settle": {"task": "evals.settle_runs", "schedule": timedelta(seconds=settings.SWEEP_INTERVAL_S)},
        "promotions-due": {"task": "prompts.apply_due", "schedule": timedelta(seconds=settings.SWEEP_INTERVAL_S)},
        "promotions-ready": {"task": "prompts.apply_ready", "schedule": timedelta(seconds=60)},
        "usage-forget": {"task": "prompts.forget_usage", "schedule": timedelta(hours=1)},
        "promotions-expire": {"task": "prompts.expire", "schedule": timedelta(hours=1)},
    },
)
app.autodiscover_tasks(["registry.core", "prompts_app", "evals_app"])


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Celery would replace the root logger; the settings have already set it up."""


@worker_init.connect
def let_web_processes_go_first(**_: object) -> None:
    """Who fetches a prompt waits for it; who started a run has time. Before the pool is forked, so that all of it gives way."""
    give_way(settings.WORKER_NICENESS)


@task_prerun.connect
@task_postrun.connect
def leave_broken_connections(sender: "Task[Any, Any]", **_: object) -> None:
    """No task meets what the one before it broke, nor a connection that the server has closed since."""
    if sender.request.is_eager:
        return
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and (connection.in_atomic_block or not connection.is_usable()):
            connection.close()
            connection.close_pool()  # type: ignore[attr-defined]


@worker_process_init.connect
def trace(**_: object) -> None:
    """In each child, since the thread that sends spans does not come over a fork."""
    tracing.set_up("greenroom-worker", endpoint=settings.OTEL_ENDPOINT)


@worker_process_shutdown.connect
def trace_no_more(**_: object) -> None:
    """Send what is left."""
    tracing.stop()


@before_task_publish.connect
def hand_on_the_trace(headers: dict[str, Any] | None = None, **_: object) -> None:
    """Whoever works on it goes on with the trace of whoever asked."""
    if headers is not None and (parent := tracing.traceparent()):
        headers[tracing.PARENT] = parent


class TracedTask(Task):  # type: ignore[type-arg]
    """A task whose work is a span."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        parent = getattr(self.request, tracing.PARENT, None) or ""
        with tracing.span(f"process {self.name}", {"messaging.system": "celery"}, kind="CONSUMER", parent=parent):
            return self.run(*args, **kwargs)
