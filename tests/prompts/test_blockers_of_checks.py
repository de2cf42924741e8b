"""The blockers that suites and outside checks put up, and what clears them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prompts_app.actions.checks import post_external_check, require_check
from prompts_app.actions.promotions import open_promotion, rebase
from prompts_app.asked_evidence import NEEDS_CHECKS, STARTS_WITHIN
from prompts_app.facts import live_deployment
from prompts_app.gates import (
    CheckFact,
    Level,
    evidence_key,
)
from prompts_app.models import CheckState, Promotion
from registry.core.models import JobState, OutboxMessage
from tests.builders import Cast, prompt, version
from tests.scenes import RECIPE, codes, found, go_live, let_pass, policy, post, suite

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def asked(free: Cast, text: str = "a", environment: str = "staging") -> Promotion:
    """A promotion of a first version by Ada."""
    return open_promotion(free.ada, prompt(free.ada, text=text).versions.get(), free.environment(environment))


def level(promotion: Promotion, cast: Cast, code: str) -> Level:
    return found(promotion, cast.rosa)[code].level


def test_suites_missing__fewer_required_than_asked__is_soft(free: Cast) -> None:
    policy(free, "staging", min_suites=2)
    row = asked(free)
    suite(free.ada, row.prompt, "suite/one")
    assert level(row, free, "suites.missing") is Level.SOFT
    message = found(row, free.rosa)["suites.missing"].message
    assert message == "This prompt needs 2 required suites to go live here, and has 1."
    suite(free.ada, row.prompt, "suite/two")
    assert codes(row, free.rosa) == set()
    require_check(free.grace, row.prompt, "suite/two", required=False)
    assert codes(row, free.rosa) == {"suites.missing"}


@pytest.mark.parametrize("is_safety", [False, True])
def test_check__in_every_state_but_passed__blocks(free: Cast, is_safety: bool) -> None:
    policy(free, "staging", require_suites=True)
    row = asked(free)
    suite(free.ada, row.prompt, is_safety=is_safety)
    expected = Level.HARD if is_safety else Level.SOFT
    assert level(row, free, "check.suite/intents.missing") is expected
    for state in CheckState:
        post(row.version, row.environment, state)
        wanted = set() if state == CheckState.PASSED else {f"check.suite/intents.{state}"}
        assert codes(row, free.rosa) == wanted
        assert all(blocker.level is expected for blocker in found(row, free.rosa).values())


def test_check__asked_for_a_moment_ago__asks_nobody_until_its_run_should_have_started(free: Cast) -> None:
    policy(free, "staging", require_suites=True)
    row = asked(free)
    suite(free.ada, row.prompt)
    code = "check.suite/intents.missing"
    starting = found(row, free.rosa)[code]
    post(row.version, row.environment, recipe="0" * 64)
    anew = found(row, free.rosa)["check.suite/intents.stale"]
    let_pass(OutboxMessage.objects.get(topic=NEEDS_CHECKS), STARTS_WITHIN)
    overdue = found(row, free.rosa)["check.suite/intents.stale"]

    assert starting.who_can_clear == anew.who_can_clear == ("time",)
    assert starting.message.endswith("intents has not run yet: its run starts by itself in a moment.")
    assert anew.message.endswith("rests on evidence that no longer fits: a new run starts by itself in a moment.")
    assert overdue.who_can_clear == ("author", "editors") and overdue.message.endswith("run it again.")


@pytest.mark.parametrize("state", [JobState.DONE, JobState.ERROR])
def test_check__whoever_gathers_its_evidence_has_answered__is_run_by_hand(free: Cast, state: JobState) -> None:
    policy(free, "staging", require_suites=True)
    row = asked(free)
    suite(free.ada, row.prompt)
    OutboxMessage.objects.filter(topic=NEEDS_CHECKS).update(state=state)
    open_promotion(free.ada, row.version, free.environment("development"))

    message = found(row, free.rosa)["check.suite/intents.missing"].message
    assert message.endswith("intents has not run: run what is missing.")


def test_check__missing_where_something_is_live__is_said_to_lack_the_comparison(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.select_related("prompt").get(), "staging")
    policy(free, "staging", require_suites=True)
    suite(free.ada, made)
    row = open_promotion(free.ada, version(free.ada, made, "b"), free.environment("staging"))
    OutboxMessage.objects.filter(topic=NEEDS_CHECKS).update(state=JobState.DONE)

    message = found(row, free.rosa)["check.suite/intents.missing"].message
    assert message.endswith("has not run against what is live here: run what is missing.")


def test_check__not_required_by_the_policy__is_no_blocker(free: Cast) -> None:
    row = asked(free)
    suite(free.ada, row.prompt)
    assert codes(row, free.rosa) == set()


def test_check__on_other_evidence__is_stale_until_the_right_evidence_comes(free: Cast) -> None:
    policy(free, "staging", require_suites=True)
    row = asked(free)
    suite(free.ada, row.prompt)
    post(row.version, row.environment)
    assert codes(row, free.rosa) == set()
    suite(free.ada, row.prompt, recipe="b" * 64)
    assert codes(row, free.rosa) == {"check.suite/intents.stale"}
    post(row.version, row.environment)
    assert codes(row, free.rosa) == set()
    post(row.version, row.environment, CheckState.FAILED, recipe=RECIPE)
    assert codes(row, free.rosa) == set(), "a run on the older suite that ends late changes nothing"


def test_check__too_old__is_stale_by_the_strictest_age(free: Cast) -> None:
    policy(free, "staging", require_suites=True, max_age_days=10)
    row = asked(free)
    suite(free.ada, row.prompt)
    posted = post(row.version, row.environment)
    let_pass(posted, timedelta(days=9))
    assert codes(row, free.rosa) == set()
    policy(free, "staging", max_age_days=5)
    assert codes(row, free.rosa) == {"check.suite/intents.stale"}
    policy(free, "staging", max_age_days=10)
    assert codes(row, free.rosa) == set()
    let_pass(posted, timedelta(days=2))
    assert codes(row, free.rosa) == {"check.suite/intents.stale"}


def test_check__still_running__never_goes_stale_by_age() -> None:
    old = CheckFact("suite/a", "pending", NOW - timedelta(days=99), "k", "k")
    assert old.counts_as(NOW, 14) == "pending"
    assert replace(old, state="passed").counts_as(NOW, 14) == "stale"
    assert replace(old, created_at=NOW - timedelta(days=14)).counts_as(NOW, 14) == "pending"
    assert replace(old, state="passed", created_at=NOW - timedelta(days=14)).counts_as(NOW, 14) == "passed"


def test_external_check__named_by_the_policy__has_no_baseline(free: Cast) -> None:
    policy(free, "staging", external_checks=["lint"])
    row = asked(free)
    assert level(row, free, "check.external/lint.missing") is Level.SOFT
    key = free.key().actor
    post_external_check(key, row.version, name="external/lint", state="failed")
    assert codes(row, free.rosa) == {"check.external/lint.failed"}
    post_external_check(key, row.version, name="external/lint", state="passed")
    assert codes(row, free.rosa) == set()
    policy(free, "staging", external_checks=[])
    go_live(free, version(free.ada, row.prompt, "b"), "staging")
    rebase(free.ada, row, stamp=None)
    assert codes(row, free.rosa) == set(), "an outside check stays good over another base"


def test_evidence_key__of_other_contents_or_recipe__is_another() -> None:
    keys = {
        evidence_key(candidate, baseline, recipe)
        for candidate in "ab"
        for baseline in ("a", "b", None)
        for recipe in "xy"
    }
    assert len(keys) == 12


def test_evidence__for_another_digest_or_baseline__is_none(free: Cast) -> None:
    policy(free, "staging", require_suites=True)
    row = asked(free)
    suite(free.ada, row.prompt)
    other = version(free.ada, row.prompt, "b")
    post(other, row.environment)
    assert codes(row, free.rosa) == {"check.suite/intents.missing"}
    post(row.version, row.environment)
    assert codes(row, free.rosa) == set()
    policy(free, "staging", require_suites=False)
    go_live(free, other, "staging")
    rebase(free.ada, row, stamp=None)
    assert codes(row, free.rosa) == {"check.suite/intents.missing"}, "the baseline is another now"
    assert live_deployment(row.prompt, row.environment) is not None
