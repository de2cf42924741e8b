"""Providers, suites and runs for tests, made by calling the actions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.test import override_settings

from evals_app.actions.providers import create_provider
from evals_app.actions.suites import attach_suite, create_suite, save_suite_version
from evals_app.engine import machinery, running
from evals_app.models import Provider, Run, RunChunk, Suite
from evals_app.provider_settings import parse_provider
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import Prompt
from registry.core.actor import Actor
from registry.core.models import JobState
from tests.builders import Cast


@contextmanager
def scripted(*rules: Rule, latency_s: float = 0.0) -> Iterator[ScriptedProvider]:
    """A scripted provider that the operator allows; the process's machinery is new before and after."""
    with ScriptedProvider(rules, latency_s=latency_s) as provider:
        machinery.shut_down()
        with override_settings(OUTBOUND_ALLOW=frozenset({f"127.0.0.1:{provider.port}"})):
            yield provider
            machinery.shut_down()


def add_provider(cast: Cast, scripted: ScriptedProvider, **fields: Any) -> Provider:
    """The scripted provider as one of the workspace; its first one is the default."""
    body = {"name": "scripted", "base_url": scripted.base_url, "models": ["scripted"], "timeout_s": 5, **fields}
    allow = frozenset({f"127.0.0.1:{scripted.port}"})
    return create_provider(cast.olga, parse_provider(body, allow=allow))


def cases(count: int, **more: Any) -> list[dict[str, Any]]:
    """Cases whose question is a number and whose answer is the same number."""
    return [{"key": f"case-{n}", "variables": {"q": str(n)}, "expected": str(n), **more} for n in range(count)]


def suite(actor: Actor, slug: str = "numbers", *, of: Sequence[dict[str, Any]] | None = None, **rules: Any) -> Suite:
    """A suite with one saved version; 60 cases, one repeat, equals, margin 0.1 unless said otherwise."""
    made = create_suite(actor, slug, title=slug.capitalize())
    content = {"cases": of or cases(60), "scorers": [{"kind": "equals"}], "margin": 0.1, "repeats": 1, **rules}
    save_suite_version(actor, made, content)
    made.refresh_from_db()
    return made


def require(actor: Actor, what: Suite, prompt: Prompt) -> None:
    """Attach a suite as required."""
    attach_suite(actor, what, prompt, required=True)


def work(run: Run) -> Run:
    """Work through all chunks of a run, as workers would, and read it again.

    Workers begin the next run while the last answers of one are on their way: here the others stay where they are.
    """
    others = RunChunk.objects.exclude(run=run).filter(state=JobState.QUEUED)
    before = dict(others.values_list("pk", "not_before"))
    others.update(not_before=Now() + timedelta(hours=1))
    for pk in run.chunks.filter(state=JobState.QUEUED).order_by("pk").values_list("pk", flat=True):
        running.run_chunk(pk)
    for pk, not_before in before.items():
        RunChunk.objects.filter(pk=pk).update(not_before=not_before)
    return Run.objects.select_related("suite_version__suite", "prompt", "candidate", "baseline").get(pk=run.pk)


def work_all() -> None:
    """Work through everything that is queued."""
    for run in Run.objects.open().order_by("pk"):
        work(run)
