"""Celery's side of evaluation: ids in, one call, no logic."""

import gc

from celery import shared_task
from celery.signals import worker_init, worker_process_shutdown

from evals_app.actions.retention import apply_retention
from evals_app.engine import machinery, running

# Below the time that a task may take; the next night goes on.
RETENTION_S = 300.0


@shared_task(name="evals.run_chunk")
def run_chunk(pk: int) -> None:
    """Work through one chunk of a run, and end the run with its last one."""
    running.run_chunk(pk)


@shared_task(name="evals.settle_runs")
def settle_runs() -> None:
    """End the runs whose last chunk ended without anybody noticing."""
    running.settle_lost_runs()


@shared_task(name="evals.apply_retention")
def purge_by_retention() -> None:
    """Purge answers and inputs that are past their workspace's time."""
    apply_retention(most_s=RETENTION_S)


@worker_init.connect
def load_client(**_: object) -> None:
    """Let the children of a worker share what is slow to import; no collection of garbage looks at it again."""
    machinery.load_client()
    gc.collect()
    gc.freeze()


@worker_process_shutdown.connect
def close_machinery(**_: object) -> None:
    """End the process's event loop and connections."""
    machinery.shut_down()
