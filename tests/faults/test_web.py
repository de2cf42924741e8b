"""A web process that dies at a commit: F3 in a promotion, F4 between a run's commit and its message."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evals_app.models import Run
from prompts_app.facts import live_deployment
from prompts_app.models import Deployment, Promotion
from registry.core.models import AuditEvent, JobState, OutboxMessage
from tests import builders
from tests.faults.stage import Stage, wait
from tests.invariants.checker import untold
from tests.servers import Part, Web, run_web


@contextmanager
def mortal_web(stage: Stage, failpoint: str) -> Iterator[Web]:
    """Another web process, which ends itself where it is told to; the client speaks to it."""
    with run_web(stage.folder, BROKER_URL=stage.broker.url, FAILPOINT=failpoint) as web:
        stage.client.url = web.url
        yield web
        stage.client.url = stage.web.url


def asked_promotion(stage: Stage) -> int:
    """A promotion of the prompt's first version to staging, which nothing stands in the way of."""
    body = {"prompt": stage.prompt.name, "version": 1, "environment": "staging"}
    told = stage.client.post("promotions", body)
    assert told.status == 201, told
    return int(told.body["id"])


@pytest.mark.parametrize("failpoint", [pytest.param("before_commit", marks=pytest.mark.faults), "after_commit"])
def test_web__killed_in_a_promotion__all_of_it_or_nothing_and_what_was_done_is_told(
    stage: Stage, failpoint: str
) -> None:
    pk = asked_promotion(stage)
    wait("its messages were not delivered", lambda: builders.deliver() == 0)
    with mortal_web(stage, failpoint):
        seen = stage.client.get(f"promotions/{pk}").etag
        died = stage.client.post(f"promotions/{pk}/apply", seen=seen)
        assert died.status == 0, "it was answered although its server was to die"
    is_done = failpoint == "after_commit"
    before = facts(stage, pk)
    assert before == (is_done, int(is_done), int(is_done), int(is_done))
    began = time.monotonic()
    # The same request once more: done now, or answered as it would have been.
    again = stage.client.post(f"promotions/{pk}/apply", id=died.id, seen=seen)
    assert again.status == 200, again
    took = time.monotonic() - began
    assert facts(stage, pk) == (True, 1, 1, 1)
    # What nobody sent is sent by the sweeper of whichever worker runs.
    with stage.worker(concurrency=1):
        told = wait("its message was never delivered", lambda: not queued())
    assert untold(stage.cast.workspace.pk) == []
    stage.close(
        "F3 web killed in a promotion, before or after commit",
        recovery=f"{failpoint}: {took:.1f} s" + (f", told after {told:.0f} s" if is_done else ""),
    )


def facts(stage: Stage, pk: int) -> tuple[bool, int, int, int]:
    """Whether it is live, and how often history, audit and outbox say so."""
    deployments = Deployment.objects.filter(promotion=pk)
    live = live_deployment(stage.prompt, stage.cast.environment("staging"))
    assert (live is not None) == (Promotion.objects.get(pk=pk).state == "applied")
    workspace = stage.cast.workspace.pk
    audited = AuditEvent.objects.filter(workspace=workspace, event="version.promoted").count()
    told = OutboxMessage.objects.filter(workspace=workspace, topic="deployment.created").count()
    return live is not None, deployments.count(), audited, told


def queued() -> bool:
    return OutboxMessage.objects.exclude(state=JobState.DONE).exists()


@pytest.mark.faults
def test_web__killed_between_a_runs_commit_and_its_message__the_sweeper_starts_it(stage: Stage) -> None:
    stage.add_provider()
    suite = stage.suite(60)
    body = stage.ask(suite)
    with stage.worker():
        with mortal_web(stage, "after_commit"):
            died = stage.client.post("runs", body)
        assert died.status == 0
        run = Run.objects.get()
        began = time.monotonic()
        assert stage.client.post("runs", body, id=died.id).body["id"] == run.pk, "the repeat is the same run"
        wait("it never began", lambda: stage.answers() > 0)
        took = time.monotonic() - began
        stage.all_ended()
    assert Run.objects.count() == 1
    stage.close("F4 web killed between commit and message", recovery=f"{took:.1f} s")


@pytest.mark.faults
def test_web__killed_before_a_runs_commit__leaves_nothing_and_the_repeat_starts_it(stage: Stage) -> None:
    stage.add_provider()
    suite = stage.suite(60)
    body = stage.ask(suite)
    with mortal_web(stage, "before_commit"):
        died = stage.client.post("runs", body)
    assert died.status == 0 and not Run.objects.exists()
    with stage.worker() as worker:
        assert isinstance(worker, Part)
        took = wait("no answer", lambda: stage.client.post("runs", body, id=died.id).status == 202)
        stage.all_ended()
    assert Run.objects.count() == 1
    stage.close("F4 web killed before a run's commit", recovery=f"{took:.1f} s")
