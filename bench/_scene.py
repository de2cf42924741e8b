"""What the benchmarks of evaluation stand on: a workspace made by calling the actions, real workers, a run watched to its end.

`make bench` names the engines and has made the tables; each benchmark makes a workspace of its own there.
"""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
os.environ.setdefault("LOG_LEVEL", "WARNING")

import django

django.setup()

import _provider
from django.db import connection

from evals_app.actions.providers import create_provider
from evals_app.actions.runs import start_run
from evals_app.actions.suites import create_suite, save_suite_version
from evals_app.models import Provider, Run, Suite
from evals_app.provider_settings import parse_provider
from prompts_app.actions.environments import create_default_environments
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Prompt, PromptVersion
from registry.core.actions.workspaces import create_workspace, find_or_create_user
from registry.core.actor import Actor
from registry.core.identity import actor_of_member
from registry.core.models import Member

QUICK = "--quick" in sys.argv
ROUNDS = 1 if QUICK else 5
LONGEST_RUN_S = 600
PROMPT = (
    "You are the first line of a bank's support. Name the one intent of the customer's message, "
    "in lower case with underscores, and nothing else.\n\nMessage: {{ message }}\n\nVariant {number}"
)
SAID = (
    "my card has not arrived yet and I ordered it over a week ago can you tell me where the transfer of last friday went "
    "because the exchange rate I was shown is not what was charged to the account please refund the top up at once"
)


@dataclass
class Scene:
    """A workspace with one prompt, whose owner does everything."""

    owner: Actor
    prompt: Prompt
    versions: list[PromptVersion] = field(default_factory=list)

    def add_provider(self, provider: _provider.Provider, *, concurrency: int, name: str = "fixed") -> Provider:
        """The provider as one of the workspace; its first one is the default."""
        body = {"name": name, "base_url": provider.base_url, "models": [_provider.MODEL], "timeout_s": 30}
        allow = frozenset({f"127.0.0.1:{provider.port}"})
        return create_provider(self.owner, parse_provider({**body, "concurrency": concurrency}, allow=allow))

    def suite(self, slug: str, count: int, **rules: Any) -> Suite:
        """A suite whose cases have short messages and whose one scorer is `equals`."""
        made = create_suite(self.owner, slug, title=slug)
        cases = [
            {"key": f"case-{n}", "variables": {"message": text}, "expected": _provider.ANSWER}
            for n, text in enumerate(messages(count))
        ]
        content = {"cases": cases, "scorers": [{"kind": "equals"}], "margin": 0.1, "repeats": 1, **rules}
        save_suite_version(self.owner, made, content)
        made.refresh_from_db()
        return made

    def version(self) -> PromptVersion:
        """A version that says what none before it says: nobody has asked with it yet, no cache knows it."""
        number = self.prompt.versions.count() + 1
        text = PROMPT.replace("{number}", str(number))
        made = create_version(self.owner, self.prompt, {"text": text}).version
        return PromptVersion.objects.select_related("prompt").get(pk=made.pk)

    def start(self, suite: Suite, version: PromptVersion | None = None, **more: Any) -> Run:
        """A run of the suite on a version, a new one unless named, without baseline."""
        return start_run(self.owner, version or self.version(), suite, baseline=None, **more)


@dataclass(frozen=True)
class Timed:
    """A run that ended: `wall_s` from the call that starts it to its verdict, `worker_s` processor time of the workers."""

    run: Run
    wall_s: float
    worker_s: float


def messages(count: int) -> list[str]:
    """Short messages, each another."""
    dice, words = random.Random(1), SAID.split()
    return [f"{' '.join(dice.choices(words, k=9))} {n}" for n in range(count)]


def scene() -> Scene:
    """A fresh workspace."""
    slug = f"bench-{secrets.token_hex(4)}"
    user = find_or_create_user(f"{slug}@example.com", name="Bench")
    workspace, owner = create_workspace(slug, name=slug, owner=user)
    create_default_environments(Actor.system(workspace.pk), is_open=True)
    actor = actor_of_member(Member.objects.select_related("user", "workspace").get(pk=owner.pk))
    return Scene(actor, create_prompt(actor, "support/intent", kind="text"))


@contextlib.contextmanager
def workers(count: int, port: int, *, processes: int = 2) -> Iterator[list[int]]:
    """So many workers, started as `make run` starts its one, ready; their pids. `port` is the provider's."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder, contextlib.ExitStack() as stack:
        yield [stack.enter_context(_worker(Path(folder), n, port, processes)) for n in range(count)]


@contextlib.contextmanager
def _worker(folder: Path, number: int, port: int, processes: int) -> Iterator[int]:
    command = [sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "-A", "registry", "worker"]
    options = ["--concurrency", str(processes), "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    log = folder / f"worker-{number}.log"
    environment = {**os.environ, "OUTBOUND_ALLOW": f"127.0.0.1:{port}", "LOG_LEVEL": "INFO"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options, "-n", f"bench-{os.getpid()}-{number}@%h"],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        ends = time.monotonic() + 60
        while b"ready." not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"A worker did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(15)


def state_of(run: Run) -> str:
    """Where the run is now; one small query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state FROM evals_app_run WHERE id = %s", [run.pk])
        found = cursor.fetchone()
    return str(found[0])


def until_ended(run: Run, *, looks_every_s: float = 0.005) -> Run:
    """Waits for the verdict; ends the benchmark where a run did not pass as it must."""
    ends = time.monotonic() + LONGEST_RUN_S
    while state_of(run) in {"queued", "running"}:
        if time.monotonic() > ends:
            raise SystemExit(f"Run {run.pk} did not end within {LONGEST_RUN_S} s.")
        time.sleep(looks_every_s)
    run.refresh_from_db()
    if (run.state, run.verdict) != ("finished", "passed"):
        raise SystemExit(f"Run {run.pk} is {run.state} {run.verdict}: {run.summary}")
    return run


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """All rounds, in order of size."""
    return " ".join(f"{value:.2f}" for value in sorted(values))


def row(name: str, measured: str, goal: str, ratio: str) -> None:
    """One line of the table."""
    print(f"{name:58} {measured:>26} {goal:>18} {ratio:>22}", flush=True)
