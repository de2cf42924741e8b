"""Where faults are injected: web, workers, provider and a broker that may die, over the test run's PostgreSQL."""

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis

from evals_app.models import Result, Run, RunChunk, Suite
from evals_app.scripted_provider import ScriptedProvider
from prompts_app.models import Prompt
from registry import embedded
from registry.core.models import JobState
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, suite
from tests.faults import table
from tests.faults.ledger import Client, Ledger, Told, settle
from tests.servers import Part, Web, run_worker

ENDS_WITHIN_S = 180
SCOPES = ["read", "write", "run", "promote", "check"]


@dataclass(frozen=True)
class Broker:
    """A Valkey of our own."""

    lease: embedded.Lease

    @property
    def url(self) -> str:
        """As Celery takes it."""
        return self.lease.engines.broker_url

    def kill(self) -> None:
        """kill -9: everything it knew is gone."""
        self._signal(signal.SIGKILL)
        wait("the broker did not die", lambda: not self._answers())

    def revive(self) -> None:
        """Started again where it is dead, empty."""
        self.lease.revive()
        wait("the broker did not come back", self._answers)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and what is said to it, and answers nothing, until the block ends."""
        self._signal(signal.SIGSTOP)
        try:
            wait("the broker did not stand still", lambda: not self._answers())
            yield
        finally:
            self._signal(signal.SIGCONT)
        wait("the broker did not go on", self._answers)

    def _signal(self, number: int) -> None:
        found = json.loads((self.lease.data_dir / "run" / "valkey.json").read_text())
        os.kill(found["pid"], number)

    def empty(self) -> None:
        """FLUSHALL: hints, what workers hold, limits and slots are forgotten."""
        with self._client() as client:
            client.flushall()

    def _client(self) -> "redis.Redis[bytes]":
        return redis.Redis.from_url(self.url.replace("redis+socket://", "unix://"), socket_timeout=2)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def own_broker() -> Iterator[Broker]:
    """A Valkey in a folder of its own."""
    folder = tempfile.mkdtemp(prefix="greenroom-test-")
    try:
        with embedded.hold(folder, names=("valkey",), durable=False) as lease:
            yield Broker(lease)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Stage:
    """A workspace with everything a client needs to start runs and to promote; and the ledger it writes."""

    broker: Broker
    web: Web
    folder: Path
    cast: Cast
    provider: ScriptedProvider
    client: Client
    prompt: Prompt

    @classmethod
    @contextmanager
    def made(cls, broker: Broker, web: Web, folder: Path) -> Iterator[Self]:
        """A fresh one, in a workspace that asks nothing of a promotion."""
        with ScriptedProvider() as provider:
            cast = make_cast(f"w{time.monotonic_ns()}", is_open=True)
            key = cast.key(scopes=SCOPES)
            client = Client(web.url, key, Ledger(folder / "ledger.jsonl"))
            prompt = builders.prompt(cast.ada, "echo", text="{{ q }}")
            yield cls(broker, web, folder, cast, provider, client, prompt)

    def add_provider(self, **fields: Any) -> None:
        """The scripted provider as the workspace's default."""
        add_provider(self.cast, self.provider, **fields)

    def suite(self, count: int, slug: str = "numbers", **rules: Any) -> Suite:
        """Cases whose question is `é <n>`, to be echoed: a rule of the provider finds the one it is about by `<n>`."""
        of = [{"key": f"case-{n}", "variables": {"q": f"é <{n}>"}, "expected": f"é <{n}>"} for n in range(count)]
        return suite(self.cast.ada, slug, of=of, **rules)

    def worker(
        self, *, concurrency: int = 2, with_beat: bool = True, queue: str = "", **extra: str
    ) -> AbstractContextManager[Part]:
        """A worker that sweeps as often as one in production, unless told otherwise."""
        allow = f"127.0.0.1:{self.provider.port}"
        told = {"BROKER_URL": self.broker.url, "OUTBOUND_ALLOW": allow, "SWEEP_INTERVAL_S": "5", **extra}
        return run_worker(self.folder, concurrency=concurrency, with_beat=with_beat, queue=queue, **told)

    def ask(self, suite: Suite, *, version: int = 0) -> dict[str, Any]:
        """The body that asks for a run on a version, a new one unless named."""
        return {
            "prompt": self.prompt.name,
            "version": version or self.new_version(),
            "suite": suite.slug,
            "baseline": None,
        }

    def new_version(self) -> int:
        """Another version that asks the same: its runs are other evidence."""
        seed = self.prompt.versions.count()
        return builders.version(self.cast.ada, self.prompt, "{{ q }}", config={"temperature": 0, "seed": seed}).number

    def start(self, suite: Suite) -> Run:
        """A run, started by the client."""
        told = self.client.post("runs", self.ask(suite))
        assert told.status == 202, told
        return self.run_of(told)

    def run_of(self, told: Told) -> Run:
        """The run that an answer speaks of."""
        return Run.objects.get(pk=told.body["id"])

    def all_ended(self, *, within_s: float = ENDS_WITHIN_S) -> float:
        """Waits for the end of every run of the workspace; seconds it took."""
        return wait("runs did not end", lambda: not self.open_runs().exists(), within_s=within_s)

    def open_runs(self) -> Any:
        """Runs that have not ended."""
        return Run.objects.in_workspace(self.cast.workspace.pk).open()

    def answers(self) -> int:
        """How many results there are."""
        return Result.objects.filter(run__workspace=self.cast.workspace.pk).count()

    def asked_in_vain(self) -> int:
        """How often the provider was asked for what never became a result."""
        return self.provider.calls - self.answers()

    def close(self, fault: str, *, recovery: str = "", schedules: int = 1) -> None:
        """Settle the ledger and note it in the table; fails where anything is lost, double or wrong."""
        account = settle(self.client.ledger, self.cast.workspace.pk)
        table.note(fault, account, recovery=recovery, schedules=schedules)


def half_done() -> RunChunk | None:
    """A chunk that somebody works on, begun but far from done, once none waits for a worker any more."""
    if RunChunk.objects.filter(state=JobState.QUEUED).exists():
        return None
    chunks = RunChunk.objects.filter(state=JobState.RUNNING, done__gt=0)
    return next((chunk for chunk in chunks if chunk.done < chunk.total / 2), None)


def pid_of(owner: str) -> int:
    """The process that holds a chunk."""
    return int(owner.split(":")[1])


def wait(what: str, condition: Callable[[], object], *, within_s: float = ENDS_WITHIN_S) -> float:
    """Waits for a condition; how long it took. The limit only stops hangs."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, what
        time.sleep(0.05)
    return time.monotonic() - began
