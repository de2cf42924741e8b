"""The two reasons for which runs start by themselves, and the whole way to a promotion."""

from collections.abc import Iterator

import pytest

from evals_app.actions.suites import attach_suite, detach_suite
from evals_app.engine.triggers import start_missing_checks
from evals_app.models import Provider, Run, RunOn
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.promotions import open_promotion, rebase
from prompts_app.models import Prompt, VersionCheck
from registry.core.errors import Conflict
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, cases, require, scripted, suite, work_all
from tests.scenes import codes, fresh, go_live, policy


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted() as running:
        add_provider(cast, running)
        yield running


@pytest.fixture
def prompt(cast: Cast) -> Prompt:
    """A prompt whose environments ask for suites and for nothing else."""
    for name in ("staging", "production"):
        policy(cast, name, approvals=0, require_predecessor=False, min_suites=0, protected=False)
    return builders.prompt(cast.ada, text=None)


def runs(prompt: Prompt) -> list[tuple[int, int | None, str]]:
    """Candidate, baseline and reason of each run, by number."""
    rows = Run.objects.filter(prompt=prompt).order_by("pk")
    return list(rows.values_list("candidate__number", "baseline__number", "reason"))


def test_new_version__nothing_live__one_run_without_baseline(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    require(cast.ada, suite(cast.ada), prompt)
    builders.version(cast.ada, prompt, "{{ q }}")
    builders.deliver()
    assert runs(prompt) == [(1, None, "new_version")]


def test_new_version__different_contents_live__one_run_for_each(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    one, two = builders.version(cast.ada, prompt, "1 {{ q }}"), builders.version(cast.ada, prompt, "2 {{ q }}")
    go_live(cast, one, "production")
    go_live(cast, two, "staging")
    require(cast.ada, suite(cast.ada), prompt)
    builders.deliver()
    builders.version(cast.ada, prompt, "3 {{ q }}")
    builders.deliver()
    assert sorted(run for run in runs(prompt) if run[0] == 3) == [(3, 1, "new_version"), (3, 2, "new_version")]


def test_new_version__same_content_live_twice__one_run(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    one = builders.version(cast.ada, prompt, "1 {{ q }}")
    go_live(cast, one, "production")
    go_live(cast, one, "staging")
    require(cast.ada, suite(cast.ada), prompt)
    builders.version(cast.ada, prompt, "2 {{ q }}")
    builders.deliver()
    assert [run for run in runs(prompt) if run[0] == 2] == [(2, 1, "new_version")]


def test_new_version__suite_runs_on_promotions_only__starts_nothing(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    attach_suite(cast.ada, suite(cast.ada), prompt, required=True, run_on=RunOn.PROMOTION)
    version = builders.version(cast.ada, prompt, "{{ q }}")
    builders.deliver()
    assert runs(prompt) == []
    open_promotion(cast.ada, version, cast.environment("production"))
    builders.deliver()
    assert runs(prompt) == [(1, None, "promotion")]


def test_new_version__detached_before__starts_nothing(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    made = suite(cast.ada)
    attach_suite(cast.ada, made, prompt)
    detach_suite(cast.ada, made, prompt)
    builders.version(cast.ada, prompt, "{{ q }}")
    builders.deliver()
    assert runs(prompt) == []


def test_new_version__no_model_to_ask__the_check_says_so(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    Provider.objects.update(is_default=False)
    require(cast.ada, suite(cast.ada), prompt)
    version = builders.version(cast.ada, prompt, "{{ q }}")
    builders.deliver()
    check = VersionCheck.objects.get(digest=version.digest)
    assert check.state == "error" and "no default provider" in check.summary
    promotion = open_promotion(cast.ada, version, cast.environment("production"))
    builders.deliver()
    assert "check.suite/numbers.error" in codes(promotion, cast.rosa)


def test_promotion__run_of_the_new_version_is_fresh__is_reused(cast: Cast, provider: ScriptedProvider, prompt: Prompt):
    require(cast.ada, suite(cast.ada), prompt)
    version = builders.version(cast.ada, prompt, "{{ q }}")
    builders.deliver()
    open_promotion(cast.ada, version, cast.environment("production"))
    open_promotion(cast.ada, version, cast.environment("staging"))
    builders.deliver()
    assert runs(prompt) == [(1, None, "new_version")]


def test_promotion__rebased_over_other_content__needs_evidence_against_it(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    one, two = builders.version(cast.ada, prompt, "1 {{ q }}"), builders.version(cast.ada, prompt, "2 {{ q }}")
    go_live(cast, one)
    require(cast.ada, suite(cast.ada), prompt)
    three = builders.version(cast.ada, prompt, "3 {{ q }}")
    promotion = open_promotion(cast.ada, three, cast.environment("production"))
    builders.deliver()
    work_all()
    policy(cast, "production", require_suites=False)
    go_live(cast, two)
    policy(cast, "production", require_suites=True)
    rebase(cast.ada, fresh(promotion), stamp=None)
    builders.deliver()
    assert (3, 2, "promotion") in runs(prompt)
    assert "check.suite/numbers.pending" in codes(promotion, cast.rosa)


def test_promotion__applied_between_reading_it_and_what_is_live__is_not_compared_with_itself(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    require(cast.ada, suite(cast.ada, scorers=[{"kind": "contains"}]), prompt)
    version = builders.version(cast.ada, prompt, "{{ q }}")
    builders.deliver()
    work_all()
    promotion = open_promotion(cast.ada, version, cast.environment("production"))
    read = fresh(promotion)
    apply_promotion(cast.rosa, fresh(promotion), stamp=None)
    assert read.is_pending
    assert start_missing_checks(read) == 0
    assert runs(prompt) == [(1, None, "new_version")]


def test_gate__a_regression__stays_shut_and_a_good_version_opens_it(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    provider.script(Rule(anywhere="Examples", answer="always the same"))
    made = suite(cast.ada, scorers=[{"kind": "contains"}])
    require(cast.ada, made, prompt)
    first = builders.version(cast.ada, prompt, "{{ q }}")
    promotion = open_promotion(cast.ada, first, cast.environment("production"))
    builders.deliver()
    assert codes(promotion, cast.rosa) == {"check.suite/numbers.pending"}
    work_all()
    assert codes(promotion, cast.rosa) == set()
    apply_promotion(cast.rosa, fresh(promotion), stamp=None)

    worse = builders.version(cast.ada, prompt, "Examples: 1 2 3. {{ q }}")
    asked = open_promotion(cast.ada, worse, cast.environment("production"))
    builders.deliver()
    work_all()
    assert codes(asked, cast.rosa) == {"check.suite/numbers.failed"}
    with pytest.raises(Conflict, match=r"promotion\.blocked"):
        apply_promotion(cast.rosa, fresh(asked), stamp=None)

    better = builders.version(cast.ada, prompt, "Answer with the number {{ q }}")
    wanted = open_promotion(cast.ada, better, cast.environment("production"))
    builders.deliver()
    work_all()
    assert codes(wanted, cast.rosa) == set()
    assert apply_promotion(cast.rosa, fresh(wanted), stamp=None).deployment.version == better


def test_repeated_message__at_least_once_delivery__starts_one_run(
    cast: Cast, provider: ScriptedProvider, prompt: Prompt
):
    from evals_app.engine.triggers import start_runs_for_version

    require(cast.ada, suite(cast.ada, of=cases(60)), prompt)
    version = builders.version(cast.ada, prompt, "{{ q }}")
    assert start_runs_for_version(version.pk) == 1
    assert start_runs_for_version(version.pk) == 0
    assert len(runs(prompt)) == 1
