"""Random schedules of kills and restarts while runs work and versions go live: SCHEDULES of them, each by its own dice."""

import os
import random
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from evals_app.models import RunChunk, Suite
from registry.celery import app
from registry.core.models import JobState, OutboxMessage
from tests.faults.processes import command_of, descendants
from tests.faults.stage import Stage, pid_of, wait
from tests.invariants.checker import untold
from tests.servers import Part, run_web

SCHEDULES = int(os.environ.get("SCHEDULES", "3"))
CASES, LATENCY_S = 60, 0.15


@dataclass
class Play:
    """What runs, and what may happen to it."""

    stage: Stage
    parts: ExitStack
    dice: random.Random = field(default_factory=random.Random)
    workers: list[Part] = field(default_factory=list)
    web: Part | None = None

    def start_worker(self) -> None:
        """One more worker; each brings a beat of its own: two sweepers do no harm."""
        self.workers.append(self.parts.enter_context(self.stage.worker()))

    def start_web(self) -> None:
        """A web process of this play's own, which the client speaks to from now on."""
        web = self.parts.enter_context(run_web(self.stage.folder, BROKER_URL=self.stage.broker.url))
        self.web, self.stage.client.url = web, web.url

    def kill_child(self) -> None:
        """Whoever holds a chunk."""
        owners = list(RunChunk.objects.filter(state=JobState.RUNNING).values_list("owner", flat=True))
        if owners:
            self._signal(pid_of(self.dice.choice(owners)), signal.SIGKILL)

    def kill_render_worker(self) -> None:
        """One of those that render prompts."""
        below = [pid for worker in self.workers for pid in descendants(worker.process.pid)]
        renderers = [pid for pid in below if "sandbox" in command_of(pid)]
        if renderers:
            self._signal(self.dice.choice(renderers), signal.SIGKILL)

    def kill_worker(self) -> None:
        """All of one worker; another is started in its place."""
        victim = self.workers.pop(self.dice.randrange(len(self.workers)))
        victim.stop(signal.SIGKILL)
        self.start_worker()

    def stop_worker_in_good_order(self) -> None:
        """SIGTERM, as a deployment does; another is started in its place."""
        victim = self.workers.pop(self.dice.randrange(len(self.workers)))
        self.start_worker()
        victim.stop(signal.SIGTERM)

    def freeze_worker(self) -> None:
        """One worker stands still for a while."""
        victim = self.dice.choice(self.workers)
        os.killpg(victim.process.pid, signal.SIGSTOP)
        time.sleep(self.dice.uniform(0.5, 3))
        os.killpg(victim.process.pid, signal.SIGCONT)

    def empty_broker(self) -> None:
        """All messages and slots are forgotten."""
        self.stage.broker.empty()

    def kill_broker(self) -> None:
        """Away for a moment, back with nothing."""
        self.stage.broker.kill()
        time.sleep(self.dice.uniform(0.1, 2))
        self.stage.broker.revive()

    def repeat_messages(self) -> None:
        """Every chunk is hinted at twice more."""
        pks = list(RunChunk.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING]).values_list("pk", flat=True))
        with app.connection_for_write(self.stage.broker.url) as connection:
            for pk in pks * 2:
                app.send_task("evals.run_chunk", (pk,), connection=connection)

    def kill_web(self) -> None:
        """The web process, another one in its place."""
        assert self.web is not None
        self.web.stop(signal.SIGKILL)
        self.start_web()

    def _signal(self, pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            self.stage.client.ledger.write(missed=pid)


FAULTS = (
    *(Play.kill_child, Play.kill_child, Play.kill_render_worker, Play.kill_worker, Play.stop_worker_in_good_order),
    *(Play.freeze_worker, Play.empty_broker, Play.kill_broker, Play.repeat_messages, Play.kill_web),
)


def go_live(stage: Stage, version: int) -> None:
    """A version to staging, as a pipeline promotes it."""
    body = {"prompt": stage.prompt.name, "version": version, "environment": "staging"}
    asked = stage.client.insist("promotions", body)
    assert asked.status == 201, asked
    told = stage.client.insist(f"promotions/{asked.body['id']}/apply", {}, seen=asked.etag)
    assert told.status == 200, told


def play_one(play: Play, suite: Suite, seed: int) -> float:
    """One schedule; how long after its last fault all had ended."""
    stage, play.dice = play.stage, random.Random(seed)
    faults = play.dice.choices(FAULTS, k=play.dice.randint(2, 4))
    stage.client.ledger.write(schedule=seed, faults=[fault.__name__ for fault in faults])
    version = 0
    for fault in faults:
        # Something is always at work when a fault strikes.
        body = stage.ask(suite)
        version = int(str(body["version"]))
        told = stage.client.insist("runs", body)
        assert told.status == 202, told
        time.sleep(play.dice.uniform(0, 1))
        fault(play)
    go_live(stage, version)
    return stage.all_ended()


@pytest.mark.faults
def test_schedules__of_kills_and_restarts__lose_nothing_and_do_nothing_twice(stage: Stage) -> None:
    stage.provider.latency_s = LATENCY_S
    stage.add_provider(concurrency=8)
    suite = stage.suite(CASES)
    took = []
    with ExitStack() as parts:
        play = Play(stage, parts)
        play.start_web()
        play.start_worker()
        play.start_worker()
        for seed in range(SCHEDULES):
            took.append(play_one(play, suite, seed))
        wait("messages were not delivered", lambda: not OutboxMessage.objects.exclude(state=JobState.DONE).exists())
    assert untold(stage.cast.workspace.pk) == []
    took.sort()
    recovery = f"all ended {took[len(took) // 2]:.0f} s after the last fault (median), {took[-1]:.0f} s at most"
    stage.close("random schedules of kills and restarts", recovery=recovery, schedules=SCHEDULES)
