"""A cancelled run goes on where it stopped, as long as nobody has asked the same since."""

from collections.abc import Callable, Iterator

import pytest

from evals_app.actions.budgets import set_default_budget
from evals_app.actions.runs import cancel_run, resume_run, retry_errors, start_run
from evals_app.budgets import Budget
from evals_app.engine import chunks, running
from evals_app.models import JudgeReply, Result, Run, RunChunk, Suite
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import PromptVersion, VersionCheck
from registry.core.errors import Conflict
from registry.core.models import AuditEvent
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, scripted, suite, work


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted() as running_provider:
        add_provider(cast, running_provider)
        yield running_provider


@pytest.fixture
def version(cast: Cast) -> PromptVersion:
    return builders.prompt(cast.ada, text="{{ q }}").versions.select_related("prompt").get()


def started(cast: Cast, version: PromptVersion) -> Run:
    return start_run(cast.ada, version, suite(cast.ada), baseline=None)


def newest_check() -> str:
    return VersionCheck.objects.order_by("-pk")[0].state


def asked_once_more(cast: Cast, run: Run) -> Run:
    return start_run(cast.ada, run.candidate, Suite.objects.get(), baseline=None, again=True)


@pytest.mark.parametrize("go_on", [lambda cast, run: resume_run(cast.grace, run), asked_once_more])
def test_resume__of_a_run_cancelled_half_way__asks_only_what_is_missing_and_is_no_look(
    cast: Cast,
    provider: ScriptedProvider,
    version: PromptVersion,
    monkeypatch: pytest.MonkeyPatch,
    go_on: Callable[[Cast, Run], Run],
):
    """Asked once more it goes on too: who saw how it went would else ask until it goes better."""
    save = chunks._save

    def save_then_cancel(chunk: RunChunk, results: list[Result], replies: list[JudgeReply]) -> None:
        save(chunk, results, replies)
        if not Run.objects.filter(state="cancelled").exists():
            cancel_run(cast.ada, Run.objects.get())

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "_save", save_then_cancel)
        run = work(started(cast, version))
    answered = set(run.results.values_list("pk", flat=True))
    assert run.state == "cancelled" and 0 < len(answered) < 60
    resumed = go_on(cast, run)
    assert (resumed.state, newest_check()) == ("queued", "pending")
    ended = work(resumed)
    assert (ended.state, ended.verdict, ended.look, newest_check()) == ("finished", "passed", 1, "passed")
    assert ended.results.count() == 60 and answered <= set(ended.results.values_list("pk", flat=True))
    with pytest.raises(Conflict, match="only a cancelled one"):
        resume_run(cast.ada, ended)


def test_resume__once_a_later_run_asks_the_same__is_refused(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    run = cancel_run(cast.ada, started(cast, version))
    start_run(cast.ada, version, Suite.objects.get(), baseline=None)
    with pytest.raises(Conflict, match="later run"):
        resume_run(cast.ada, run)


def test_resume__where_every_answer_is_there__is_judged_by_the_sweep(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(running, "settle", lambda run_id: False)
        run = work(started(cast, version))
    before = provider.calls
    resume_run(cast.ada, cancel_run(cast.ada, run))
    assert running.settle_lost_runs() == 1
    run.refresh_from_db()
    assert (run.verdict, provider.calls) == ("passed", before)


def test_start__once_a_finished_run_was_reopened_and_cancelled__goes_on_with_it_and_is_no_new_look(
    cast: Cast, version: PromptVersion
):
    with scripted(Rule(contains="41", status=400)) as provider:
        add_provider(cast, provider)
        run = work(started(cast, version))
        kept = set(run.results.filter(error="").values_list("pk", flat=True))

        cancel_run(cast.ada, retry_errors(cast.ada, run))
        again = start_run(cast.ada, version, Suite.objects.get(), baseline=None)

    assert (run.state, len(kept)) == ("finished", 59)
    assert (again, again.state, Run.objects.count(), newest_check()) == (run, "queued", 1, "pending")
    assert set(again.results.values_list("pk", flat=True)) == kept
    assert AuditEvent.objects.order_by("-pk")[0].event == "run.resumed"


def test_start__once_its_budget_stopped_a_run__goes_on_with_the_budget_that_is_named(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    asked = suite(cast.ada)
    stopped = work(start_run(cast.ada, version, asked, baseline=None, budget=Budget(requests=30)))
    ended = work(start_run(cast.ada, version, asked, baseline=None, budget=Budget(requests=100)))

    assert (stopped.state, stopped.results.count() > 0) == ("error", True)
    assert (ended, ended.verdict, ended.results.count(), provider.calls) == (stopped, "passed", 60, 60)


def test_start__once_a_named_budget_stopped_a_run__goes_on_with_the_default_where_none_is_named(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
):
    """As the form and the API say: the workspace's default where none is named, and what somebody named once ends with that."""
    asked = suite(cast.ada)
    stopped = work(start_run(cast.ada, version, asked, baseline=None, budget=Budget(requests=30)))
    set_default_budget(cast.olga, Budget(requests=90))
    again = start_run(cast.ada, version, asked, baseline=None)

    assert (again, again.budget_requests, again.is_default_budget) == (stopped, 90, True)
    assert work(again).verdict == "passed"
