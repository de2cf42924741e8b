"""Every code of the table in the rules: it appears, it has its level, and it goes when it is cleared."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import end_freeze, freeze_environment
from prompts_app.actions.promotions import acknowledge_breaking, open_promotion, rebase, reopen, schedule
from prompts_app.actions.reviews import comment, dismiss_request, resolve_comment
from prompts_app.actions.rollback import clear_quarantine, roll_back, withdraw
from prompts_app.actions.versions import yank_version
from prompts_app.gates import (
    Facts,
    FreezeFact,
    Level,
    Predecessor,
    Subject,
    blockers,
    standing,
)
from prompts_app.models import Promotion, Vote
from prompts_app.policy import OPEN, Policy
from registry.core.actions.workspaces import change_member
from registry.core.errors import Conflict
from registry.core.models import Member
from tests.builders import Cast, prompt, version
from tests.scenes import approve, codes, found, fresh, go_live, in_minutes, let_pass, policy, suite

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
FACTS = Facts(Subject("d" * 64, None, "staging", None, acknowledges_breaking=False), None, OPEN)


def asked(free: Cast, text: str = "a", environment: str = "staging") -> Promotion:
    """A promotion of a first version by Ada."""
    return open_promotion(free.ada, prompt(free.ada, text=text).versions.get(), free.environment(environment))


def level(promotion: Promotion, cast: Cast, code: str) -> Level:
    return found(promotion, cast.rosa)[code].level


def test_nothing__in_an_open_workspace__stands_in_the_way(free: Cast) -> None:
    assert codes(asked(free), free.rosa) == set()


def test_version_yanked__after_it_was_opened__is_hard_for_good(free: Cast) -> None:
    row = asked(free)
    yank_version(free.ada, row.version, reason="leaks")
    assert level(row, free, "version.yanked") is Level.HARD
    with pytest.raises(Conflict, match=r"promotion\.blocked") as refused:
        apply_promotion(free.rosa, row, stamp=None)
    [blocker] = refused.value.extra["blockers"]
    assert (blocker["code"], blocker["level"]) == ("version.yanked", "hard")
    assert blocker["message"] and blocker["who_can_clear"]


def test_base_moved__something_else_goes_live__is_hard_until_rebased(free: Cast) -> None:
    row = asked(free)
    go_live(free, version(free.ada, row.prompt, "b"), "staging")
    assert level(row, free, "base.moved") is Level.HARD
    rebase(free.ada, row, stamp=None)
    assert codes(row, free.rosa) == set()
    withdraw(free.rosa, row.prompt, row.environment, reason="off")
    assert codes(row, free.rosa) == {"base.moved"}, "nothing being live is a change too"
    rebase(free.ada, row, stamp=None)
    assert codes(row, free.rosa) == set()


def test_actor_forbidden__by_reader__says_who_may(free: Cast) -> None:
    row = asked(free)
    promoter = free.key(scopes=["promote"], name="p").actor
    for actor in (free.vera, free.ada, free.grace, free.key(name="plain").actor):
        assert found(row, actor)["actor.forbidden"].level is Level.HARD
    for actor in (free.rosa, free.olga, promoter):
        assert codes(row, actor) == set()
    policy(free, "staging", protected=True)
    assert codes(row, promoter) == {"actor.forbidden"}
    assert codes(row, free.rosa) == set()


def test_actor_forbidden__scheduled__is_asked_of_the_scheduler(free: Cast) -> None:
    row = schedule(free.rosa, asked(free), stamp=None, at=in_minutes(10))
    assert codes(row, free.vera) == {"schedule.not_due"}
    rosa = Member.objects.select_related("user").get(pk=free.rosa.member_id)
    change_member(free.olga, rosa, role=free.ada.role)
    assert codes(row, free.olga) == {"schedule.not_due", "actor.forbidden"}
    change_member(free.olga, rosa, role=free.rosa.role)
    assert codes(row, free.olga) == {"schedule.not_due"}
    change_member(free.olga, rosa, is_active=False)
    assert codes(row, free.olga) == {"schedule.not_due", "actor.forbidden"}


def test_schedule__before_and_after_its_time__is_hard_at_exact_bounds() -> None:
    due = replace(FACTS, subject=replace(FACTS.subject, scheduled_for=NOW), is_scheduled=True)
    moments = {
        -timedelta(microseconds=1): ["schedule.not_due"],
        timedelta(): [],
        timedelta(minutes=15): [],
        timedelta(minutes=15, microseconds=1): ["schedule.late"],
    }
    for offset, expected in moments.items():
        present = blockers(due, NOW + offset)
        assert [blocker.code for blocker in present] == expected
        assert all(blocker.level is Level.HARD for blocker in present)
    assert blockers(replace(due, is_scheduled=False), NOW - timedelta(days=1)) == (), "only scheduled ones wait"


def test_contract_breaking__unless_the_author_acknowledges__is_soft(free: Cast) -> None:
    made = prompt(free.ada, text="Hello {{ name }}")
    go_live(free, made.versions.get(), "staging")
    row = open_promotion(
        free.ada, version(free.ada, made, "Hello {{ name }} {{ surname }}"), free.environment("staging")
    )
    blocker = found(row, free.rosa)["contract.breaking"]
    assert (blocker.level, "surname" in blocker.message) == (Level.SOFT, True)
    acknowledge_breaking(free.ada, row, stamp=None)
    assert codes(row, free.rosa) == set()
    acknowledge_breaking(free.ada, row, stamp=None, acknowledged=False)
    assert codes(row, free.rosa) == {"contract.breaking"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"text": "{{ a }} {{ b }}"}, {"text": "{{ a }}"}),
        ({"text": "x"}, {"text": "{{ a }}", "variables": {"properties": {"a": {}}}}),
        ({"text": "x", "config": {"model": "m1"}}, {"text": "x", "config": {"model": "m2"}}),
    ],
    ids=["a variable removed", "an optional variable added", "another model"],
)
def test_contract_breaking__what_callers_survive__is_none(free: Cast, before: Any, after: Any) -> None:
    made = prompt(free.ada, text=None)
    go_live(free, version(free.ada, made, before.pop("text"), **before), "staging")
    row = open_promotion(free.ada, version(free.ada, made, after.pop("text"), **after), free.environment("staging"))
    assert codes(row, free.rosa) == set()


def test_contract_breaking__an_answer_that_says_less__is_one(free: Cast) -> None:
    def answer(*names: str) -> dict[str, Any]:
        return {
            "type": "json_schema",
            "json_schema": {
                "name": "a",
                "schema": {"type": "object", "required": [*names], "properties": {name: {} for name in names}},
            },
        }

    made = prompt(free.ada, text=None)
    go_live(free, version(free.ada, made, "x", response_format=answer("intent", "why")), "staging")
    row = open_promotion(
        free.ada, version(free.ada, made, "x", response_format=answer("intent")), free.environment("staging")
    )
    assert codes(row, free.rosa) == {"contract.breaking"}


def test_predecessor__missing_then_live_below__is_cleared(free: Cast) -> None:
    policy(free, "production", require_predecessor=True)
    row = asked(free, environment="production")
    assert level(row, free, "predecessor.missing") is Level.SOFT
    go_live(free, row.version, "development")
    assert codes(row, free.rosa) == {"predecessor.missing"}, "the next lower rank is meant, not any"
    go_live(free, row.version, "staging")
    assert codes(row, free.rosa) == set()


def test_predecessor__the_same_digest_under_another_number__counts(free: Cast) -> None:
    policy(free, "production", require_predecessor=True)
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.get(), "staging")
    version(free.ada, made, "b")
    row = open_promotion(free.ada, version(free.ada, made, "a"), free.environment("production"))
    assert codes(row, free.rosa) == set()


def test_predecessor__soaking__until_the_minutes_are_over(free: Cast) -> None:
    policy(free, "production", require_predecessor=True, soak_minutes=30)
    row = asked(free, environment="production")
    live = go_live(free, row.version, "staging")
    assert level(row, free, "predecessor.soaking") is Level.SOFT
    let_pass(live, timedelta(minutes=31))
    assert codes(row, free.rosa) == set()
    go_live(free, version(free.ada, row.prompt, "b"), "staging")
    assert codes(row, free.rosa) == set(), "it was live that long, and was not rolled back"


def test_predecessor__replaced_before_it_soaked__is_missing(free: Cast) -> None:
    policy(free, "production", require_predecessor=True, soak_minutes=30)
    row = asked(free, environment="production")
    go_live(free, row.version, "staging")
    go_live(free, version(free.ada, row.prompt, "b"), "staging")
    assert codes(row, free.rosa) == {"predecessor.missing"}


def _roll_back_below(free: Cast, row: Promotion) -> None:
    roll_back(free.rosa, row.prompt, free.environment("staging"), reason="bad", quarantine=False)


def _withdraw_below(free: Cast, row: Promotion) -> None:
    withdraw(free.rosa, row.prompt, free.environment("staging"), reason="bad")


@pytest.mark.parametrize("go_back", [_roll_back_below, _withdraw_below])
def test_predecessor__taken_back_below__must_soak_again_from_the_start(
    free: Cast, go_back: Callable[[Cast, Promotion], None]
) -> None:
    policy(free, "production", require_predecessor=True, soak_minutes=30)
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.get(), "staging")
    row = open_promotion(free.ada, version(free.ada, made, "b"), free.environment("production"))
    let_pass(go_live(free, row.version, "staging"), timedelta(hours=2))
    assert codes(row, free.rosa) == set()
    go_back(free, row)
    assert codes(row, free.rosa) == {"predecessor.missing"}
    again_live = go_live(free, row.version, "staging")
    assert codes(row, free.rosa) == {"predecessor.soaking"}, "the time before it was taken back does not count"
    let_pass(again_live, timedelta(minutes=31))
    assert codes(row, free.rosa) == set()


def test_predecessor__in_the_lowest_environment__is_not_asked(free: Cast) -> None:
    policy(free, "development", require_predecessor=True, soak_minutes=30)
    assert codes(asked(free, environment="development"), free.rosa) == set()


def test_predecessor__spans__the_longest_without_a_break_counts() -> None:
    def facts(*spans: tuple[int, int | None]) -> Facts:
        times = tuple(
            (NOW - timedelta(minutes=start), None if end is None else NOW - timedelta(minutes=end))
            for start, end in spans
        )
        before = Predecessor("staging", "Staging", times, was_rolled_back=False)
        return replace(FACTS, policy=Policy(require_predecessor=True, soak_minutes=30), predecessor=before)

    assert [b.code for b in blockers(facts((90, 70), (50, 30), (10, None)), NOW)] == ["predecessor.soaking"]
    assert blockers(facts((90, 60), (10, None)), NOW) == ()
    assert blockers(facts((30, None)), NOW) == ()


def test_approvals_insufficient__carries_needed_valid_and_eligible(free: Cast) -> None:
    policy(free, "staging", approvals=2)
    row = asked(free)
    blocker = found(row, free.rosa)["approvals.insufficient"]
    assert (blocker.level, blocker.extra) == (Level.SOFT, {"needed": 2, "valid": 0, "eligible": 3})
    assert set(blocker.who_can_clear) == {"Grace", "Rosa", "Olga"}
    approve(free.grace, row)
    assert found(row, free.rosa)["approvals.insufficient"].extra["valid"] == 1
    approve(free.olga, row)
    assert codes(row, free.rosa) == set()


def test_approvals_insufficient__fewer_eligible_than_needed__says_how_many_may(free: Cast) -> None:
    policy(free, "staging", approvals=4)
    blocker = found(asked(free), free.rosa)["approvals.insufficient"]
    assert blocker.extra["eligible"] == 3
    assert blocker.message == "0 of 4 approvals: only 3 here may approve it."


def test_changes_requested__until_dismissed_withdrawn_or_replaced__is_soft(free: Cast) -> None:
    row = asked(free)
    approve(free.grace, row, Vote.REQUEST_CHANGES)
    assert level(row, free, "approvals.changes_requested") is Level.SOFT
    approve(free.grace, row)
    assert codes(row, free.rosa) == set()
    approve(free.grace, row, Vote.REQUEST_CHANGES)
    approve(free.grace, row, Vote.WITHDRAWN)
    assert codes(row, free.rosa) == set()
    approve(free.grace, row, Vote.REQUEST_CHANGES)
    grace = Member.objects.select_related("user").get(pk=free.grace.member_id)
    dismiss_request(free.olga, row, grace, stamp=None, reason="answered")
    assert codes(row, free.rosa) == set()


def test_changes_requested__by_somebody_no_longer_a_reviewer__falls_away(free: Cast) -> None:
    row = asked(free)
    approve(free.grace, row, Vote.REQUEST_CHANGES)
    grace = Member.objects.select_related("user").get(pk=free.grace.member_id)
    change_member(free.olga, grace, role=free.ada.role)
    assert codes(row, free.rosa) == set()
    change_member(free.olga, grace, role=free.grace.role)
    assert codes(row, free.rosa) == {"approvals.changes_requested"}


def test_quarantined__a_digest_that_was_rolled_back__is_soft_until_cleared(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.get(), "staging")
    bad = version(free.ada, made, "b")
    go_live(free, bad, "staging")
    roll_back(free.rosa, made, free.environment("staging"), reason="worse")
    row = open_promotion(free.ada, bad, free.environment("staging"))
    blocker = found(row, free.rosa)["digest.quarantined"]
    assert (blocker.level, "worse" in blocker.message) == (Level.SOFT, True)
    elsewhere = open_promotion(free.ada, bad, free.environment("production"))
    assert codes(elsewhere, free.rosa) == set(), "it was rolled back there, not here"
    clear_quarantine(free.rosa, made, free.environment("staging"), digest=bad.digest, reason="cause was elsewhere")
    assert codes(row, free.rosa) == set()


def test_freeze__covering_now__is_soft_until_lifted(free: Cast) -> None:
    row = asked(free)
    staging = free.environment("staging")
    freeze_environment(free.olga, staging, starts_at=in_minutes(-60), ends_at=in_minutes(-1), reason="over")
    freeze_environment(free.olga, staging, starts_at=in_minutes(5), ends_at=in_minutes(9), reason="to come")
    freeze_environment(
        free.olga, free.environment("production"), starts_at=in_minutes(-5), ends_at=in_minutes(9), reason="other"
    )
    assert codes(row, free.rosa) == set()
    freeze = freeze_environment(free.olga, staging, starts_at=in_minutes(-5), ends_at=in_minutes(60), reason="sale")
    assert level(row, free, "freeze.active") is Level.SOFT
    end_freeze(free.olga, freeze)
    assert codes(row, free.rosa) == set()


def test_freeze__bounds__include_the_start_and_not_the_end() -> None:
    freeze = FreezeFact(NOW, NOW + timedelta(hours=1), "sale")
    moment = timedelta(microseconds=1)
    covered = {NOW - moment: False, NOW: True, freeze.ends_at - moment: True, freeze.ends_at: False}
    for at, is_covered in covered.items():
        assert [b.code for b in blockers(replace(FACTS, freezes=(freeze,)), at)] == ["freeze.active"] * is_covered


def test_comments__unresolved__are_advisory(free: Cast) -> None:
    row = asked(free)
    remark = comment(free.grace, row, body="why?")
    assert level(row, free, "comments.unresolved") is Level.ADVISORY
    apply_facts = found(row, free.rosa)
    assert standing(tuple(apply_facts.values())) == ()
    resolve_comment(free.ada, remark)
    assert codes(row, free.rosa) == set()
    resolve_comment(free.ada, remark, resolved=False)
    apply_promotion(free.rosa, row, stamp=None)
    assert fresh(row).state == "applied"


def test_policy__loosened_after_opening__keeps_what_was_asked_field_by_field(free: Cast) -> None:
    strict = {
        "approvals": 1,
        "require_predecessor": True,
        "require_suites": True,
        "min_suites": 1,
        "external_checks": ["lint"],
        "protected": True,
    }
    loose = {
        "approvals": 0,
        "require_predecessor": False,
        "require_suites": False,
        "min_suites": 0,
        "external_checks": [],
        "protected": False,
    }
    policy(free, "production", **strict)
    made = prompt(free.ada, text="a")
    suite(free.ada, made)
    row = open_promotion(free.ada, made.versions.get(), free.environment("production"))
    promoter = free.key(scopes=["promote"], name="p").actor
    before = codes(row, promoter)
    assert before == {
        "approvals.insufficient",
        "predecessor.missing",
        "check.suite/intents.missing",
        "check.external/lint.missing",
        "actor.forbidden",
    }
    policy(free, "production", **loose)
    assert codes(row, promoter) == before
    reopen(free.ada, row, stamp=None)
    assert codes(row, promoter) == set()
    for name, value in strict.items():
        policy(free, "production", **{name: value})
    assert codes(row, promoter) == before, "tightening may block a ready one"


def test_order__hard_ones_come_first(free: Cast) -> None:
    row = asked(free)
    comment(free.grace, row, body="hm")
    policy(free, "staging", approvals=1)
    yank_version(free.ada, row.version, reason="no")
    assert list(found(row, free.rosa)) == ["version.yanked", "approvals.insufficient", "comments.unresolved"]
